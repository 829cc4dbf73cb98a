#!/usr/bin/env node
// Plain JavaScript that any Node can parse, so that an old Node ends in a sentence and not in a syntax error or a crash
// of a native module. With an old Node, a newer one from the npm package `node` (or its platform package) is used.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const WANTED = [22, 18];
const [major, minor] = process.versions.node.split('.').map(Number);

if (major > WANTED[0] || (major === WANTED[0] && minor >= WANTED[1])) {
  // When started by an older Node (below), die with it: an orphan would keep writing to the store.
  if (process.channel) {
    process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
    process.channel.unref();
  }
  const { main } = await import('../dist/cli/main.js');
  process.exitCode = await main(process.argv.slice(2));
} else {
  const newer = findNode();
  if (newer === undefined) {
    process.stderr.write(
      `prep needs Node ${WANTED.join('.')} or newer, this is ${process.versions.node}; install it, or add the npm package node@22 to this folder (npm i node@22) and run prep through npx\n`,
    );
    process.exitCode = 1;
  } else rerun(newer);
}

/** The binary of the npm packages `node` or `node-<platform>-<cpu>`, seen from here or from the working folder. */
function findNode() {
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const binary = process.platform === 'win32' ? 'bin/node.exe' : 'bin/node';
  for (const from of [import.meta.url, join(process.cwd(), 'package.json')])
    for (const name of [`node-${platform}-${process.arch}`, 'node']) {
      try {
        const path = join(dirname(createRequire(from).resolve(`${name}/package.json`)), binary);
        if (existsSync(path)) return path;
      } catch (error) {
        if (error.code !== 'MODULE_NOT_FOUND' && error.code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') throw error;
      }
    }
  return undefined;
}

function rerun(node) {
  const child = spawn(node, process.argv.slice(1), { stdio: ['inherit', 'inherit', 'inherit', 'ipc'] });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
  });
}
