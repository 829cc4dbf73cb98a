/** What the surroundings say of remote roots: the variables and files that the services' own tools read. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Access } from '../sources/remote/access.ts';

export function accessFromSurroundings(env: NodeJS.ProcessEnv = process.env): Access {
  const found = {
    hubToken: env.HF_TOKEN ?? tokenFile(env),
    hubEndpoint: env.HF_ENDPOINT,
    s3Endpoint: env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL,
    s3Region: env.AWS_REGION ?? env.AWS_DEFAULT_REGION,
    gcsEndpoint: env.STORAGE_EMULATOR_HOST,
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined && value !== ''));
}

/** Where `hf auth login` leaves its token. */
function tokenFile(env: NodeJS.ProcessEnv): string | undefined {
  const path = env.HF_TOKEN_PATH ?? join(env.HF_HOME ?? join(homedir(), '.cache', 'huggingface'), 'token');
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined; // nobody logged in
  }
}
