/** A root and the dataset it should hold → an open container, in whichever of the dataset's layouts it is. */
import { PrepError } from '../schemas/errors.ts';
import type { AnySpec } from '../schemas/spec.ts';
import { type ByteRoot, openRoot } from './bytes.ts';
import type { Container } from './container.ts';
import { type FileStamps, frozenRoot } from './frozen.ts';
import type { Access } from './remote/access.ts';

export interface OpenSource {
  readonly spec: AnySpec;
  readonly container: Container;
}

export interface SourceOptions {
  /** Shards that metadata name may be absent. */
  readonly partial: boolean;
  readonly access?: Access | undefined;
  /** Only these files (paths below the root) are seen: those that were there when a repeated run began. */
  readonly files?: FileStamps | undefined;
  readonly through?: ((root: ByteRoot) => ByteRoot) | undefined;
}

/**
 * Opens the first layout that the root has.
 * @throws PrepError of the layout, or, where a dataset has several, one that names what each of them missed
 */
export async function openSource(specs: readonly AnySpec[], uri: string, options: SourceOptions): Promise<OpenSource> {
  const opened = await openRoot(uri, options.access);
  const seen = options.through?.(opened) ?? opened;
  const root = options.files ? frozenRoot(seen, options.files) : seen;
  const faults: PrepError[] = [];
  for (const spec of specs)
    try {
      return { spec, container: await openContainer(root, spec, options) };
    } catch (error) {
      if (!(error instanceof PrepError)) throw error;
      faults.push(error.within({ dataset: spec.name }));
    }
  if (faults.length === 1) throw faults[0];
  throw new PrepError({
    code: 'source-missing',
    at: { dataset: specs[0]!.name, file: root.uri },
    expected: `one of the layouts ${specs.map(({ title }) => title).join('; ')}`,
    found: faults.map(({ message }) => message).join(' · '),
  });
}

async function openContainer(root: ByteRoot, spec: AnySpec, options: SourceOptions): Promise<Container> {
  if (spec.format === 'rlds') return (await import('./formats/rlds-container.ts')).openRlds(root, spec, options);
  if (spec.format === 'lerobot') return (await import('./formats/lerobot/container.ts')).openLerobot(root, spec);
  if (spec.format === 'files') return (await import('./formats/files/container.ts')).openFiles(root, spec);
  throw new PrepError({
    code: 'unknown-dataset',
    at: { field: 'format' },
    expected: 'rlds, lerobot, files',
    found: String((spec as { format: unknown }).format),
  });
}
