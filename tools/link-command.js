// After `npm ci` in a clone, `npx prep` finds the command here like that of any dependency. Without the link npx would
// install the clone into its own cache first, which needs that cache to be writable and in order.
import { chmodSync, existsSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = join(root, 'node_modules', '.bin');
if (process.platform !== 'win32' && existsSync(folder)) {
  const link = join(folder, 'prep');
  rmSync(link, { force: true });
  symlinkSync('../../bin/prep.js', link);
  chmodSync(join(root, 'bin', 'prep.js'), 0o755);
}
