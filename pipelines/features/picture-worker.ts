/** The thread that decodes stored pictures for a graph: JPEGs in, RGB of 256×256 out, each compared with the hash in its row. */
import { PrepError } from '../../schemas/errors.ts';
import { openFrameCoder } from '../../transforms/frames.ts';
import { openImageHash } from '../../transforms/image-hash.ts';
import { PICTURE_BYTES, type PictureJob, type Pictures, SIDE } from './picture-job.ts';
import { serve } from './thread.ts';

const coder = openFrameCoder({ fit: { mode: 'letterbox', size: SIDE }, quality: 95, subsampling: '4:4:4' });
const hash = await openImageHash();

serve<PictureJob, Pictures>(
  async ({ data, offsets, hashes }) => {
    const out = new Uint8Array(hashes.length * PICTURE_BYTES);
    for (let i = 0; i < hashes.length; i++) {
      const jpeg = data.subarray(offsets[i]!, offsets[i + 1]!);
      if (hash(jpeg) !== hashes[i]) throw otherBytes(i);
      out.set(coder.rgb(jpeg).data, i * PICTURE_BYTES);
    }
    return { result: out, transfer: [out.buffer] };
  },
  () => coder.close(),
);

/** `record` is the picture's number in the job: the caller knows whose it is. */
const otherBytes = (record: number): PrepError =>
  new PrepError({
    code: 'bad-image',
    at: { record },
    expected: 'the picture whose hash the row holds',
    found: 'other bytes',
    remedy: 'the store is damaged: ingest the episode again',
  });
