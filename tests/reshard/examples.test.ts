/** The ready-made examples are what the programs that read them accept. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { mixtureOf } from '../../schemas/mixture.ts';
import { reshardSchema } from '../../schemas/reshard.ts';
import { ABSENT, pythonWith } from '../python/python.ts';

const FOLDER = fileURLToPath(new URL('../../examples/reshard/', import.meta.url));
const text = (name: string): string => readFileSync(`${FOLDER}${name}`, 'utf8');

/** `[Section]` → key → value, as systemd reads it. */
function unit(name: string): Record<string, Record<string, string>> {
  const sections: Record<string, Record<string, string>> = {};
  let section = '';
  for (const line of text(name).split('\n')) {
    if (line.trim() === '' || line.startsWith('#')) continue;
    const head = /^\[(\w+)\]$/.exec(line);
    if (head) {
      section = head[1]!;
      sections[section] = {};
      continue;
    }
    const [, key, value] = /^(\w+)=(.*)$/.exec(line)!;
    sections[section]![key!] = value!;
  }
  return sections;
}

/** The command line after `prep`. */
function words(command: string): void {
  const [verb, store, ...rest] = command
    .replace(/^.*?\bprep /, '')
    .trim()
    .split(/\s+/);
  expect([verb, rest[0], rest[2]]).toEqual(['reshard', '--config', '--if-stale']);
  expect(store).toMatch(/^(\/|s3:)/);
}

describe('examples', () => {
  it('nightly.json is a config file', () => {
    const config = reshardSchema.parse(JSON.parse(text('nightly.json')));
    expect(config.segment_draws % 61_440).toBe(0);
    expect(mixtureOf(config.mixture).entries.map(({ weight }) => weight)).toEqual([5, 1]);
  });

  it('crontab has five fields and a command', () => {
    const lines = text('crontab')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(lines).toHaveLength(1);
    const field = String.raw`(?:\*|\d+)(?:[-/,]\d+)*`;
    const match = new RegExp(`^(?:${field}\\s+){5}(.*)$`).exec(lines[0]!);
    words(match![1]!.replace(/ >>.*/, ''));
  });

  it('the timer starts a service that there is', () => {
    const [service, timer] = [unit('prep-reshard.service'), unit('prep-reshard.timer')];
    words(service.Service!.ExecStart!);
    expect(service.Service!.Type).toBe('oneshot');
    expect(timer.Timer!.OnCalendar).toMatch(/^\S+ \d{2}:\d{2}:\d{2}$/);
    expect(timer.Install!.WantedBy).toBe('timers.target');
    const analyze = spawnSync('systemd-analyze', ['verify', `${FOLDER}prep-reshard.timer`], { encoding: 'utf8' });
    if (analyze.error === undefined) expect(analyze.status, analyze.stderr).toBe(0);
  });

  const python = pythonWith('yaml');
  it.skipIf(!python)(`cronjob.yaml is a CronJob${python ? '' : ` (skipped: ${ABSENT})`}`, () => {
    const program = 'import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))';
    const documents = JSON.parse(execFileSync(python!, ['-c', program, `${FOLDER}cronjob.yaml`], { encoding: 'utf8' }));
    expect(documents).toHaveLength(1);
    const [job] = documents;
    expect([job.apiVersion, job.kind, job.spec.concurrencyPolicy]).toEqual(['batch/v1', 'CronJob', 'Forbid']);
    const pod = job.spec.jobTemplate.spec.template.spec;
    expect(pod.restartPolicy).toBe('Never');
    words(pod.containers[0].command.join(' '));
    expect(pod.containers[0].volumeMounts[0].name).toBe(pod.volumes[0].name);
  });
});
