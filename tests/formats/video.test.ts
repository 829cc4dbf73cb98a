/** Which frame is which, against PyAV's reading of the same files (fixtures/video/make.py). */
import { createHash, type Hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PrepError } from '../../schemas/errors.ts';
import type { VideoBatch } from '../../schemas/frames.ts';
import { openVideo } from '../../sources/formats/video.ts';
import { readVideoIndex } from '../../sources/formats/video-index.ts';
import { batchesOf, clip, clipBytes, clips, hashes, openClip } from '../pixels/clips.ts';
import { failure, memoryFile } from './memory-file.ts';

it('there are clips of every codec', () => {
  expect(new Set(clips.map(({ codec }) => codec))).toEqual(new Set(['av1', 'h264', 'hevc', 'mpeg4', 'vp9', 'mjpeg']));
  expect(clips.length).toBeGreaterThanOrEqual(25);
});

describe.each(clips)('$file', (told) => {
  it('has the frames, times and size that PyAV finds', async () => {
    const video = await openClip(told.file);
    expect([video.codec, video.width, video.height]).toEqual([told.codec, told.width, told.height]);
    expect(video.frames).toBe(told.frames);
    for (const [i, seconds] of told.seconds.entries()) expect(video.seconds[i]).toBeCloseTo(seconds, 5);
  });

  it('decodes to PyAV’s pictures, bit for bit', async () => {
    const video = await openClip(told.file);
    expect(await hashes(video.stream(0, video.frames))).toEqual(told.sha1);
  });

  it('gives any range of frames as if all were decoded', async () => {
    const video = await openClip(told.file);
    const range = fc
      .tuple(fc.nat(told.frames - 1), fc.integer({ min: 1, max: 12 }))
      .map(([from, count]) => [from, Math.min(count, told.frames - from)] as const);
    await fc.assert(
      fc.asyncProperty(range, async ([from, count]) => {
        expect(await hashes(video.stream(from, count))).toEqual(told.sha1.slice(from, from + count));
      }),
      { numRuns: 12, seed: 1 },
    );
  });
});

describe('random access', () => {
  it.each([
    'h264_open.mp4',
    'h264_open_long.mp4',
    'h264_open.mkv',
    'hevc_open.mp4',
    'edit_end.mp4',
    'edit_hevc_end.mp4',
    'edit_inside.mp4',
    'edit_two.mp4',
  ])('%s: every frame alone', async (file) => {
    const { sha1 } = clip(file);
    const video = await openClip(file);
    const alone: string[] = [];
    for (let i = 0; i < video.frames; i++) alone.push(...(await hashes(video.stream(i, 1))));
    expect(alone).toEqual(sha1);
  });

  it.each(['edit_end.mp4', 'edit_hevc_end.mp4'])(
    '%s: a key frame that the edit list hides is no start for what is shown before it',
    async (file) => {
      // Frame 13 is shown; the key frame 16, coded before it, is cut off by the edit list.
      const [batch] = (await batchesOf((await openClip(file)).stream(13, 1))) as VideoBatch[];
      expect(batch!.packets.find(({ rank }) => rank === 13)!.leading).toBe(false);
      const index = await readVideoIndex(memoryFile('e', clipBytes(file)));
      const hidden = index.rank.findIndex((rank, i) => rank === -1 && index.key[i] === 1);
      expect(index.time[hidden]).toBeGreaterThan(index.time[index.sampleOf[13]!]!);
      expect(hidden).toBeLessThan(index.sampleOf[13]!);
    },
  );

  it('reads the group of pictures and little else', async () => {
    const bytes = clipBytes('av1_g2.mp4');
    const file = memoryFile('a', bytes);
    const video = await openVideo(file);
    const before = file.counts.bytes;
    expect(before).toBeLessThan(bytes.length / 3);
    const [batch] = (await batchesOf(video.stream(11, 1))) as VideoBatch[];
    expect(batch!.packets.length).toBeLessThanOrEqual(2);
    expect(file.counts.bytes - before).toBe(batch!.buffer.byteLength);
  });

  it('reads nothing before it is pulled, and refuses frames beyond the end', async () => {
    const file = memoryFile('a', clipBytes('h264_b.mp4'));
    const video = await openVideo(file);
    const { reads } = file.counts;
    video.stream(0, 24);
    expect(file.counts.reads).toBe(reads);
    expect((await failure(() => video.stream(20, 5))).message).toMatch(/file a.*frames 20 to 24.*24 frames/);
  });
});

/** What a digest is fed. */
function recorded(): { hash: Hash; bytes: () => Buffer } {
  const parts: Uint8Array[] = [];
  const hash = { update: (part: Uint8Array) => parts.push(Uint8Array.from(part)) } as unknown as Hash;
  return { hash, bytes: () => Buffer.concat(parts) };
}

describe('digest', () => {
  it.each(['h264_open_long.mp4', 'hevc_open.mp4', 'h264_b.mp4', 'av1_g2.mp4', 'vp9.webm'])(
    '%s: each coded frame once, in decoding order, however batches are cut',
    async (file) => {
      const bytes = clipBytes(file);
      const index = await readVideoIndex(memoryFile('v', bytes));
      const video = await openClip(file);
      const { hash, bytes: fed } = recorded();
      await video.digest(hash, 0, video.frames);
      const source = Buffer.from(index.whole ?? bytes);
      const samples = Array.from(index.size, (size, i) => source.subarray(index.offset[i]!, index.offset[i]! + size));
      expect(fed().equals(Buffer.concat([index.extradata, ...samples]))).toBe(true);
    },
  );

  it('is that of the frames asked for and what they are predicted from', async () => {
    const of = async (file: string, from: number, count: number, bytes = clipBytes(file)) => {
      const hash = createHash('sha256');
      await (await openClip(file, bytes)).digest(hash, from, count);
      return hash.digest('hex');
    };
    const file = 'h264_b.mp4';
    const index = await readVideoIndex(memoryFile('v', clipBytes(file)));
    const touched = clipBytes(file);
    touched[index.offset[index.sampleOf[20]!]! + 20]! ^= 1;
    expect(await of(file, 0, 8, touched)).toBe(await of(file, 0, 8));
    expect(await of(file, 20, 2, touched)).not.toBe(await of(file, 20, 2));
  });
});

const shares = Array.from({ length: 12 }, (_, i) => (i + 0.5) / 12);

/** The frames' hashes, or the error. */
async function outcome(file: string, bytes: Uint8Array): Promise<readonly string[] | PrepError> {
  try {
    const video = await openClip(file, bytes);
    return await hashes(video.stream(0, video.frames));
  } catch (error) {
    expect(error).toBeInstanceOf(PrepError);
    expect((error as PrepError).code).toMatch(/^(bad-video|image-size)$/);
    expect((error as PrepError).message).toContain(file);
    return error as PrepError;
  }
}

describe('damage', () => {
  it.each(clips.filter(({ file }) => !/^(edit|size)_/.test(file)))(
    '$file cut anywhere is refused',
    async ({ file }) => {
      const bytes = clipBytes(file);
      for (const share of shares) {
        const found = await outcome(file, bytes.slice(0, Math.floor(share * bytes.length)));
        expect([share, found instanceof PrepError]).toEqual([share, true]);
      }
      expect(await outcome(file, bytes.slice(0, -1))).toBeInstanceOf(PrepError);
    },
  );

  it.each(clips.filter(({ file }) => !/^(edit|size)_/.test(file)))(
    '$file with a byte turned ends in a PrepError or in as many frames as are told, never in a crash',
    async ({ file }) => {
      const bytes = clipBytes(file);
      let state = 11;
      for (let i = 0; i < 25; i++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        const damaged = bytes.slice();
        damaged[(state >>> 3) % bytes.length]! ^= 1 << (state & 7);
        const found = await outcome(file, damaged);
        if (found instanceof PrepError) continue;
        const { frames } = await openClip(file, damaged);
        expect(found).toHaveLength(frames);
      }
    },
  );

  it('coded bytes overwritten with others are refused, and the message names the file', async () => {
    for (const file of ['h264_b.mp4', 'hevc_closed.mp4', 'av1_long.mp4', 'mpeg4_b.mp4', 'h264_open_long.mp4']) {
      const index = await readVideoIndex(memoryFile('v', clipBytes(file)));
      const damaged = clipBytes(file);
      const sample = index.size.reduce((best, size, i) => (i > 2 && size > index.size[best]! ? i : best), 3);
      damaged.fill(0x5a, index.offset[sample]! + 8, index.offset[sample]! + index.size[sample]!);
      const found = await outcome(file, damaged);
      expect([file, found instanceof PrepError]).toEqual([file, true]);
      expect((found as PrepError).message).toMatch(`bad-video (file ${file}): expected`);
    }
  });

  it('a frame that the container has only a part of is refused, not decoded', async () => {
    const bytes = Buffer.from(clipBytes('h264_frag.mp4'));
    // The last fragment says that it goes on to the end of the file, wherever that is.
    const last = bytes.lastIndexOf('mdat') - 4;
    const end = last + bytes.readUInt32BE(last);
    bytes.writeUInt32BE(0, last);
    const { sha1 } = clip('h264_frag.mp4');
    expect(await outcome('h264_frag.mp4', Uint8Array.from(bytes.subarray(0, end)))).toEqual(sha1);
    const cut = Uint8Array.from(bytes.subarray(0, end - 5));
    expect(String(await outcome('h264_frag.mp4', cut))).toMatch(/coded frame 23 whole, found damage in the container/);
  });

  it('a frame beyond the end of the file is refused when the file is opened', async () => {
    const bytes = clipBytes('h264_b.mp4');
    // stsz lists 24 sizes behind its header of 12 bytes.
    const at = Buffer.from(bytes).indexOf('stsz') + 16;
    new DataView(bytes.buffer).setUint32(at + 4 * 23, 1e6);
    expect(String(await outcome('h264_b.mp4', bytes))).toMatch(/where frame 23 ends.*cut short/);
  });
});

const refusal = async (content: Uint8Array | string): Promise<string> => {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : Uint8Array.from(content);
  return (await failure(() => openClip('clip.mp4', bytes))).message;
};

const box = (type: string, size: number): Buffer => {
  const bytes = Buffer.alloc(size);
  bytes.writeUInt32BE(size);
  bytes.write(type, 4, 'latin1');
  return bytes;
};

describe('what is no video', () => {
  it.each([
    ['a playlist', '#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n'],
    ['a list of files', "ffconcat version 1.0\nfile '/etc/hostname'\n"],
    ['a session description', 'v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\nc=IN IP4 127.0.0.1\n'],
    ['an MPEG transport stream', Buffer.alloc(188 * 8, Buffer.from([0x47, 0x40, 0, 0x10]))],
    ['sound', Buffer.concat([Buffer.from('RIFF\x24\0\0\0WAVEfmt \x10\0\0\0'), Buffer.alloc(28)])],
    ['a picture', Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10]), Buffer.alloc(40)])],
  ])('%s is not probed but refused by its first bytes', async (_, content) => {
    expect(await refusal(content)).toMatch(
      /bad-video \(file clip.mp4\): expected MP4, QuickTime, Matroska, WebM or AVI, found a file that begins with "/,
    );
  });

  it.each([
    ['nothing', '', /empty file/],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:00', /Git LFS pointer.*git lfs pull/],
    ['a web page', '<!DOCTYPE html><html></html>', /web page/],
    ['five bytes', 'abcde', /a file of 5 bytes/],
  ])('%s is named', async (_, content, message) => {
    expect(await refusal(content)).toMatch(message);
  });
});

describe('bounds', () => {
  it('frames without times are refused: their order is unknown', async () => {
    expect(await refusal(clipBytes('h264_notimes.avi'))).toMatch(
      /a time for coded frame 0, found none.*MP4 or Matroska/,
    );
  });

  it('an edit list that leaves out everything is refused', async () => {
    expect(await refusal(clipBytes('edit_nothing.mp4'))).toMatch(/an edit list that leaves out all 24/);
    const fragments = clipBytes('edit_nothing.mp4');
    // The same edit list twice is no plain file any more: the demuxer says the same.
    const text = Buffer.from(fragments.buffer);
    text.writeUInt16BE(2, text.indexOf('elst') + 20);
    expect(await refusal(fragments)).toMatch(/bad-video \(file clip.mp4\)/);
  });

  it('at most 2048 boxes are looked through', async () => {
    const few = Buffer.concat([
      box('ftyp', 16),
      ...Array.from({ length: 2000 }, () => box('free', 8)),
      box('moov', 16),
    ]);
    expect(await refusal(few)).toMatch(/a box mvhd/);
    const many = Buffer.concat([
      box('ftyp', 16),
      ...Array.from({ length: 3000 }, () => box('free', 8)),
      box('moov', 16),
    ]);
    expect(await refusal(many)).toMatch(/a moov box among the first 2048 boxes/);
  });

  it('a group of pictures of more than 1 GiB is refused before it is read', async () => {
    const bytes = clipBytes('h264_long.mp4');
    const at = Buffer.from(bytes).indexOf('stsz') + 16;
    new DataView(bytes.buffer).setUint32(at + 4 * 5, 0x4000_0001);
    const file = { ...memoryFile('large.mp4', bytes), size: 2 ** 33 };
    const video = await openVideo({ ...file, read: (offset, length) => file.read(offset, Math.min(length, 2 ** 20)) });
    const { message } = await failure(() => batchesOf(video.stream(0, 40)));
    expect(message).toMatch(
      /file large.mp4.*group of pictures of at most 1073741824 bytes, found 10737\d+ from coded frame 0/,
    );
  });
});
