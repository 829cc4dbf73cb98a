/** Cameras that stand in a MuJoCo model file (MJCF), in world axes. Facts: MuJoCo's XML reference. */
import { PrepError } from '../../schemas/errors.ts';
import {
  compose,
  composeRotations,
  identityRotation,
  type Rigid,
  type Rotation,
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
 * The camera of that name if it stands still: not on a body with a joint or moved from outside, not tracking. Null where there
 * is none, or one that no field of view describes (orthographic, a lens given by its sensor).
 * @throws PrepError `bad-metadata` for text that is no MJCF
 */
export function mjcfCamera(xml: string, name: string): MjcfCamera | null {
  const root = parsed(xml);
  const sections = root.children.filter(({ tag }) => tag === 'compiler').map(({ attributes }) => attributes);
  const compiler: Element['attributes'] = Object.assign({}, ...sections);
  const classes = new Map<string, Element['attributes']>();
  for (const section of root.children.filter(({ tag }) => tag === 'default')) collect(section, {}, classes);
  for (const world of root.children.filter(({ tag }) => tag === 'worldbody')) {
    const pose = { r: identityRotation<'world', 'body'>(), t: new Float64Array(3) };
    const found = search(world, name, { pose, compiler, classes, childclass: world.attributes.childclass ?? MAIN });
    if (found) return found;
  }
  return null;
}

/** Name of the outermost class of defaults where it has none of its own. */
const MAIN = 'main';

/** What each class says of cameras; a class within another has what that one says and its own. */
function collect(section: Element, outer: Element['attributes'], classes: Map<string, Element['attributes']>): void {
  const own = section.children.filter(({ tag }) => tag === 'camera').map(({ attributes }) => attributes);
  const merged: Element['attributes'] = Object.assign({}, outer, ...own);
  classes.set(section.attributes.class ?? MAIN, merged);
  for (const inner of section.children.filter(({ tag }) => tag === 'default')) collect(inner, merged, classes);
}

interface Frame {
  readonly pose: Rigid<'world', 'body'>;
  readonly compiler: Element['attributes'];
  readonly classes: ReadonlyMap<string, Element['attributes']>;
  readonly childclass: string;
}

function search(body: Element, name: string, frame: Frame): MjcfCamera | null {
  for (const child of body.children) {
    if (child.tag === 'camera' && child.attributes.name === name) return cameraOf(child, frame);
    if (child.tag !== 'body' && child.tag !== 'frame') continue;
    // A body with a joint moves, and with it every camera on it; one of motion capture is moved from outside.
    if (child.tag === 'body' && (child.attributes.mocap === 'true' || jointed(child))) continue;
    const pose = compose<'world', 'body', 'body'>(frame.pose, poseOf(child.attributes, frame.compiler));
    const found = search(child, name, { ...frame, pose, childclass: child.attributes.childclass ?? frame.childclass });
    if (found) return found;
  }
  return null;
}

/** A joint within a `frame` is one of the body around it. */
const jointed = ({ children }: Element): boolean =>
  children.some((one) => one.tag === 'joint' || one.tag === 'freejoint' || (one.tag === 'frame' && jointed(one)));

function cameraOf({ attributes: own }: Element, frame: Frame): MjcfCamera | null {
  const attributes = { ...frame.classes.get(own.class ?? frame.childclass), ...own };
  if ((attributes.mode ?? 'fixed') !== 'fixed') return null;
  const lens = attributes.sensorsize !== undefined || attributes.orthographic === 'true';
  if (lens || (attributes.projection ?? 'perspective') !== 'perspective') return null;
  const pose = poseOf(attributes, frame.compiler) as unknown as Rigid<'body', 'cam'>;
  const [fovy] = numbers(attributes.fovy ?? `${FOVY}`, 1);
  return { worldFromCam: compose<'world', 'body', 'cam'>(frame.pose, pose), fovy: fovy! * (Math.PI / 180) };
}

function poseOf(attributes: Element['attributes'], compiler: Frame['compiler']): Rigid<'body', 'body'> {
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
  if (attributes.euler !== undefined)
    return turns(
      numbers(attributes.euler, 3).map((x) => x * unit),
      compiler.eulerseq ?? 'xyz',
    );
  if (attributes.xyaxes !== undefined) {
    const v = numbers(attributes.xyaxes, 6);
    const x = unitVector(v.slice(0, 3));
    const along = x.reduce((sum, one, i) => sum + one * v[3 + i]!, 0);
    const y = unitVector(x.map((one, i) => v[3 + i]! - along * one));
    const z = [x[1]! * y[2]! - x[2]! * y[1]!, x[2]! * y[0]! - x[0]! * y[2]!, x[0]! * y[1]! - x[1]! * y[0]!];
    return rotationFromMatrix([0, 1, 2].flatMap((i) => [x[i]!, y[i]!, z[i]!]));
  }
  return attributes.zaxis === undefined ? identityRotation() : alongZ(unitVector(numbers(attributes.zaxis, 3)));
}

/** Turns one after the other, about the axes as they are then (small letters) or as they were at first (capitals). */
function turns(angles: readonly number[], sequence: string): Rotation<'body', 'body'> {
  if (!/^[xyz]{3}$/i.test(sequence)) throw bad('eulerseq of three axes', `eulerseq ${sequence}`);
  return angles.reduce((pose, angle, i) => {
    const axis = 'xyz'.indexOf(sequence[i]!.toLowerCase());
    const turn = rotationFromVector<'body', 'body'>([0, 1, 2].map((k) => (k === axis ? angle : 0)));
    const moving = sequence[i] === sequence[i]!.toLowerCase();
    return moving ? composeRotations(pose, turn) : composeRotations(turn, pose);
  }, identityRotation<'body', 'body'>());
}

/** The shortest turn that brings z onto a direction; where that is -z, half a turn about x. */
function alongZ([x, y, z]: readonly number[]): Rotation<'body', 'body'> {
  const sine = Math.hypot(x!, y!);
  if (sine < 1e-10) return rotationFromVector([z! < 0 ? Math.PI : 0, 0, 0]);
  const angle = Math.atan2(sine, z!);
  return rotationFromVector([(-y! / sine) * angle, (x! / sine) * angle, 0]);
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
