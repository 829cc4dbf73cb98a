/** A Python with pylance, where there is one: `PREP_PYTHON`, else `.venv` in the repository. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ABSENT = 'no Python with pylance: set PREP_PYTHON, or make .venv from tests/python/requirements.txt';

/** Its path, or undefined where none has all of `modules`. */
export function pythonWith(...modules: string[]): string | undefined {
  const local = fileURLToPath(new URL('../../.venv/bin/python', import.meta.url));
  const found = process.env.PREP_PYTHON ?? (existsSync(local) ? local : undefined);
  if (found === undefined) return undefined;
  return spawnSync(found, ['-c', `import ${modules.join(', ')}`]).status === 0 ? found : undefined;
}

export const NO_EXPORTER =
  'no Python with torch and transformers: set PREP_EXPORT_PYTHON, or make .venv-export from tools/qwen3vl/requirements.txt';

/** A Python that can run the exporter in tools/qwen3vl, where there is one. */
export function exportPython(): string | undefined {
  const local = fileURLToPath(new URL('../../.venv-export/bin/python', import.meta.url));
  const found = process.env.PREP_EXPORT_PYTHON ?? (existsSync(local) ? local : undefined);
  if (found === undefined) return undefined;
  const modules = ['torch', 'transformers', 'onnx', 'onnxscript', 'onnxruntime', 'safetensors', 'PIL'];
  const specs = `import importlib.util, sys; sys.exit(not all(importlib.util.find_spec(m) for m in ${JSON.stringify(modules)}))`;
  return spawnSync(found, ['-c', specs]).status === 0 ? found : undefined;
}
