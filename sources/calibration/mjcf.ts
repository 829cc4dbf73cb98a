/** Cameras that stand in a MuJoCo model file (MJCF), in world axes. Facts: MuJoCo's XML reference. */
import { PrepError } from '../../schemas/errors.ts';
import {
  compose,
  identityRotation,
  type Rigid,
  type Rotation,
  rotationFromEuler,
  rotationFromMatrix,
  rotationFromQuaternion,
  rotationFromVector,
} from '../../schemas/geometry.ts';

export interface MjcfCamera {
  /** Camera axes as MuJoCo has them: x right, y up, z back. */
  readonly worldFromCam: Rigid<'world', 'cam'>;
  /** Vertical field of view, radians. */
  readonly fovy: number;
}

interface Element {
  readonly tag: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: Element[];
}

/** Model files of a scene have some thousand elements. */
const MAX_ELEMENTS = 200_000;
const FOVY = 45;

/**
 * The camera of that name if it stands still: not on a body with a joint, not tracking. Null where there is none.
 * @throws PrepError `bad-metadata` for text that is no MJCF, or an orientation that is not read here
 */
export function mjcfCamera(xml: string, name: string): MjcfCamera | null {
  const root = parsed(xml);
  const compiler = root.children.find(({ tag }) => tag === 'compiler')?.attributes ?? {};
  for (const world of root.children.filter(({ tag }) => tag === 'worldbody')) {
    const found = search(world, name, { pose: { r: identityRotation(), t: new Float64Array(3) }, compiler });
    if (found) return found;
  }
  return null;
}

interface Frame {
  readonly pose: Rigid<'world', 'body'>;
  readonly compiler: Readonly<Record<string, string>>;
}

function search(body: Element, name: string, frame: Frame): MjcfCamera | null {
  for (const child of body.children) {
    if (child.tag === 'camera' && child.attributes.name === name) return cameraOf(child, frame);
    if (child.tag !== 'body') continue;
    // A body with a joint moves, and with it every camera on it.
    if (child.children.some(({ tag }) => tag === 'joint' || tag === 'freejoint')) continue;
    const pose = compose<'world', 'body', 'body'>(frame.pose, poseOf(child, frame.compiler));
    const found = search(child, name, { ...frame, pose });
    if (found) return found;
  }
  return null;
}

function cameraOf({ attributes }: Element, frame: Frame): MjcfCamera | null {
  if ((attributes.mode ?? 'fixed') !== 'fixed') return null;
  const pose = poseOf({ tag: 'camera', attributes, children: [] }, frame.compiler);
  const fovy = Number(attributes.fovy ?? FOVY) * (Math.PI / 180);
  return { worldFromCam: compose<'world', 'body', 'cam'>(frame.pose, pose as unknown as Rigid<'body', 'cam'>), fovy };
}

function poseOf({ attributes }: Element, compiler: Frame['compiler']): Rigid<'body', 'body'> {
  return { r: rotationOf(attributes, compiler), t: Float64Array.from(numbers(attributes.pos ?? '0 0 0', 3)) };
}

/** Quaternions are w x y z; angles are degrees unless the compiler says otherwise. */
function rotationOf(attributes: Element['attributes'], compiler: Frame['compiler']): Rotation<'body', 'body'> {
  const unit = compiler.angle === 'radian' ? 1 : Math.PI / 180;
  if (attributes.quat !== undefined) {
    const q = numbers(attributes.quat, 4);
    const norm = Math.hypot(...q);
    return rotationFromQuaternion(
      q.map((x) => x / norm),
      'wxyz',
    );
  }
  if (attributes.axisangle !== undefined) {
    const [x, y, z, angle] = numbers(attributes.axisangle, 4) as [number, number, number, number];
    const length = Math.hypot(x, y, z);
    return rotationFromVector([x, y, z].map((one) => (one / length) * angle * unit));
  }
  if (attributes.euler !== undefined) {
    if ((compiler.eulerseq ?? 'xyz') !== 'xyz') throw bad('eulerseq xyz', `eulerseq ${compiler.eulerseq}`);
    return rotationFromEuler(
      numbers(attributes.euler, 3).map((x) => x * unit),
      'intrinsic-xyz',
    );
  }
  if (attributes.xyaxes !== undefined) {
    const v = numbers(attributes.xyaxes, 6);
    const x = unitVector(v.slice(0, 3));
    const along = x.reduce((sum, one, i) => sum + one * v[3 + i]!, 0);
    const y = unitVector(x.map((one, i) => v[3 + i]! - along * one));
    const z = [x[1]! * y[2]! - x[2]! * y[1]!, x[2]! * y[0]! - x[0]! * y[2]!, x[0]! * y[1]! - x[1]! * y[0]!];
    return rotationFromMatrix([0, 1, 2].flatMap((i) => [x[i]!, y[i]!, z[i]!]));
  }
  if (attributes.zaxis !== undefined) throw bad('quat, axisangle, euler or xyaxes', 'zaxis');
  return identityRotation();
}

function unitVector(v: readonly number[]): number[] {
  const length = Math.hypot(...v);
  return v.map((x) => x / length);
}

function numbers(text: string, count: number): number[] {
  const values = text.trim().split(/\s+/).map(Number);
  if (values.length === count && values.every(Number.isFinite)) return values;
  throw bad(`${count} numbers`, JSON.stringify(text));
}

/** Elements and attributes only: a model file has no text between its tags. */
function parsed(xml: string): Element {
  const root: Element = { tag: '', attributes: {}, children: [] };
  const open = [root];
  let count = 0;
  for (const match of xml
    .replace(/<!--[\s\S]*?-->/g, '')
    .matchAll(/<(\/?)([\w:.-]+)((?:\s+[\w:.-]+\s*=\s*(?:"[^"]*"|'[^']*'))*)\s*(\/?)>/g)) {
    const [, end, tag, attributes, closed] = match;
    if (++count > MAX_ELEMENTS) throw bad(`at most ${MAX_ELEMENTS} elements`, 'more');
    if (end) {
      if (open.length > 1) open.pop();
      continue;
    }
    const pairs = [...attributes!.matchAll(/([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g)];
    const element = {
      tag: tag!,
      attributes: Object.fromEntries(pairs.map(([, key, a, b]) => [key, a ?? b ?? ''])),
      children: [],
    };
    open.at(-1)!.children.push(element);
    if (!closed) open.push(element);
  }
  const model = root.children.find(({ tag }) => tag === 'mujoco');
  if (model) return model;
  throw bad('a <mujoco> model', xml.slice(0, 40));
}

const bad = (expected: string, found: string): PrepError =>
  new PrepError({ code: 'bad-metadata', at: { field: 'model_file' }, expected, found });

/** fx fy cx cy of a picture that MuJoCo renders, principal point counted from the corner: `f = H / (2·tan(fovy/2))`. */
export function renderedIntrinsics(fovy: number, { width, height }: { width: number; height: number }): number[] {
  const f = (0.5 * height) / Math.tan(fovy / 2);
  return [f, f, width / 2, height / 2];
}
