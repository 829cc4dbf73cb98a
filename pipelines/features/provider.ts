/** What a provider of ONNX Runtime needs on this machine beyond what npm installs, found out before anything is computed. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { PrepError } from '../../schemas/errors.ts';

export interface ProviderReport {
  readonly provider: string;
  readonly ready: boolean;
  /** Files that are not there, with where they come from. */
  readonly missing: readonly { readonly file: string; readonly from: string }[];
}

interface Needed {
  /** Beside ONNX Runtime's own library. */
  readonly libraries: readonly string[];
  /** Loaded only when the first graph is made: no loader names them before. */
  readonly later: readonly string[];
}

const NEEDED: Readonly<Record<string, Needed>> = {
  cuda: {
    libraries: ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so'],
    later: ['libcudnn.so.9'],
  },
  tensorrt: {
    libraries: [
      'libonnxruntime_providers_shared.so',
      'libonnxruntime_providers_cuda.so',
      'libonnxruntime_providers_tensorrt.so',
    ],
    later: ['libcudnn.so.9'],
  },
};

/** Package of the Python registry that holds a library, by the beginning of its name. */
const PACKAGES: readonly (readonly [string, string])[] = [
  ['libcublas', 'pip package nvidia-cublas'],
  ['libcudart', 'pip package nvidia-cuda-runtime'],
  ['libcurand', 'pip package nvidia-curand'],
  ['libcufft', 'pip package nvidia-cufft'],
  ['libcudnn', 'pip package nvidia-cudnn-cu13'],
  ['libnvrtc', 'pip package nvidia-cuda-nvrtc'],
  ['libnvinfer', 'pip package tensorrt'],
  ['libnvonnxparser', 'pip package tensorrt'],
  ['libcuda.so', 'NVIDIA driver of the machine'],
];

const require = createRequire(import.meta.url);

/** Version and folder of the ONNX Runtime that npm installed. */
export function runtimeFolder(): { readonly version: string; readonly folder: string } {
  const manifest = require.resolve('onnxruntime-node/package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8')) as { version: string };
  return { version, folder: join(dirname(manifest), 'bin/napi-v6', process.platform, process.arch) };
}

/** Providers that need files which npm does not bring; others work or fail by themselves. */
export function inspectProvider(provider: string): ProviderReport {
  const needed = NEEDED[provider];
  if (!needed) return { provider, ready: true, missing: [] };
  const { version, folder } = runtimeFolder();
  const wheel = `pip package onnxruntime-gpu==${version}, folder onnxruntime/capi, to be copied or linked into ${folder}`;
  const absent = needed.libraries.filter((name) => !existsSync(join(folder, name)));
  const missing = absent.map((file) => ({ file, from: wheel }));
  const there = needed.libraries.filter((name) => !absent.includes(name));
  const unresolved = new Set(there.flatMap((name) => notFound(join(folder, name))));
  for (const name of needed.later) if (!known(name)) unresolved.add(name);
  for (const file of unresolved) missing.push({ file, from: `${packageOf(file)}; its folder on LD_LIBRARY_PATH` });
  return { provider, ready: missing.length === 0, missing };
}

/** @throws PrepError `provider` that names every missing file and where it comes from */
export function needProvider(provider: string): void {
  const { ready, missing } = inspectProvider(provider);
  if (ready) return;
  throw new PrepError({
    code: 'provider',
    at: { field: `--provider ${provider}` },
    expected: 'the libraries of the provider',
    found: `these missing: ${missing.map(({ file, from }) => `${file} (${from})`).join(', ')}`,
    remedy: 'install them, or use --provider cpu',
  });
}

const packageOf = (file: string): string => PACKAGES.find(([start]) => file.startsWith(start))?.[1] ?? 'your system';

/** Libraries that the loader would not find for this one, as `ldd` says with this process's environment. */
function notFound(file: string): string[] {
  const text = tool('ldd', [file]);
  return [...text.matchAll(/^\s*(\S+) => not found/gm)].map(([, name]) => name!);
}

/** Whether the loader would find a library by its name. */
function known(name: string): boolean {
  const folders = (process.env.LD_LIBRARY_PATH ?? '').split(':').filter((one) => one !== '');
  if (folders.some((folder) => existsSync(join(folder, name)))) return true;
  return tool('ldconfig', ['-p']).includes(`${name} `);
}

/** What a tool of the system prints; nothing where it is not there, for then ONNX Runtime's own message has to do. */
function tool(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], maxBuffer: 1 << 24 });
  } catch {
    return '';
  }
}
