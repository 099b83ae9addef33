/**
 * Half floats: IEEE 754 binary16. After F. Giesen, `float_to_half_fast3_rtne` (https://gist.github.com/rygorous/2156668), which rounds to the nearest, and to even
 * in the middle. The functions of `@petamoriken/float16` for a number take some 500 times longer, and `Float16Array` is not there before Node 24.
 */
const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/** The bits of the half float that is nearest to a number; what is beyond ±65 504 becomes infinite. */
export function toHalf(value: number): number {
  floats[0] = value;
  const all = bits[0] ?? 0;
  const sign = (all >>> 16) & 0x8000;
  const size = all & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00;
  if (size >= 0x47800000) return sign | 0x7c00;
  if (size < 0x38800000) return sign | smallHalf(Math.abs(value));
  // What overflows the fraction goes on to the exponent, which is right.
  return sign | ((size + 0xfff + ((size >>> 13) & 1) - 0x38000000) >>> 13);
}

/** Below 2^-14 they are multiples of 2^-24. Adding 2^52 leaves no place for a fraction. */
function smallHalf(value: number): number {
  return value * 2 ** 24 + 2 ** 52 - 2 ** 52;
}

let table: Float32Array | undefined;

/** The numbers of all half floats, by their bits: 256 KiB, made at first use. To look them up takes a tenth. */
export function halves(): Float32Array {
  return (table ??= Float32Array.from({ length: 0x10000 }, (_, half) => ofHalf(half)));
}

function ofHalf(half: number): number {
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
