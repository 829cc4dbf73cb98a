/** A user's own dataset file: TypeScript or JavaScript whose default export is a `DatasetSpec`. */
import { registerHooks } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { PrepError } from '../schemas/errors.ts';
import type { AnySpec } from '../schemas/spec.ts';

const REQUIRED = ['name', 'version', 'format', 'robots', 'cameras', 'gripper', 'identity', 'data'] as const;

/** @throws PrepError `unknown-dataset` naming the file and what is wrong with it. */
export async function importSpec(file: string): Promise<AnySpec> {
  const url = pathToFileURL(resolve(file)).href;
  // In a folder whose package.json says "commonjs" (npm's default) Node would take a .ts file with `export` for an error.
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      return found.url === url && url.endsWith('.ts') ? { ...found, format: 'module-typescript' } : found;
    },
  });
  try {
    return checked((await import(url)) as { default?: unknown }, file);
  } catch (cause) {
    if (cause instanceof PrepError) throw cause;
    throw fault(file, `an error while loading it: ${cause instanceof Error ? cause.message : cause}`, cause);
  } finally {
    hooks.deregister();
  }
}

function checked(module: { default?: unknown }, file: string): AnySpec {
  const spec = module.default as Partial<AnySpec> | undefined;
  const missing = REQUIRED.filter((key) => spec?.[key] === undefined);
  if (missing.length > 0) throw fault(file, `none with ${missing.join(', ')}`);
  return spec as AnySpec;
}

const fault = (file: string, found: string, cause?: unknown): PrepError =>
  new PrepError({
    code: 'unknown-dataset',
    at: { file },
    expected: 'a default export that satisfies DatasetSpec',
    found,
    remedy: 'see CONTRIBUTING.md, "Add a dataset"',
    cause,
  });
