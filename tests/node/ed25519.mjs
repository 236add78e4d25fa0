// Ed25519 as format.md, 2 has it: strict refusals first, then the cofactorless equation of RFC 8032 (Node's OpenSSL compares
// the encoding of S·B - k·A with R).  Prime order, for keys that enter a trust store, is computed here on the curve.

import crypto from "node:crypto";

const P = (1n << 255n) - 19n;
const L = (1n << 252n) + 27742317777372353535851937790883648493n;
const PREFIX = Buffer.from("302a300506032b6570032100", "hex");

const mod = (n) => ((n % P) + P) % P;

function power(base, exponent) {
  let out = 1n;
  for (let b = mod(base), e = exponent; e > 0n; e >>= 1n) {
    if (e & 1n) out = (out * b) % P;
    b = (b * b) % P;
  }
  return out;
}

const inverse = (n) => power(n, P - 2n);
const D = mod(-121665n * inverse(121666n));
const ROOT_OF_MINUS_ONE = power(2n, (P - 1n) / 4n);
const little = (bytes) => BigInt("0x" + Buffer.from(bytes).reverse().toString("hex"));

/** The point [x, y] of 32 bytes, or null if they are the encoding of none (RFC 8032, 5.1.3). */
function decompress(bytes) {
  const raw = little(bytes);
  const y = raw & ((1n << 255n) - 1n);
  if (y >= P) return null;
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  let x = (u * power(v, 3n) * power(u * power(v, 7n), (P - 5n) / 8n)) % P;
  if (mod(v * x * x) === mod(-u) && u !== 0n) x = (x * ROOT_OF_MINUS_ONE) % P;
  if (mod(v * x * x) !== u) return null;
  const sign = raw >> 255n;
  if (x === 0n && sign === 1n) return null;
  return [(x & 1n) === sign ? x : P - x, y];
}

/** Sum of two points in extended coordinates (RFC 8032, 5.1.4). */
function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * t1 * t2 * D);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

const NEUTRAL = [0n, 1n, 1n, 0n];
const isNeutral = ([x, y, z]) => x === 0n && y === z;

function multiple(n, point) {
  let out = NEUTRAL;
  for (let p = point, k = n; k > 0n; k >>= 1n) {
    if (k & 1n) out = add(out, p);
    p = add(p, p);
  }
  return out;
}

// y coordinates of the points whose order divides 8; with both signs and the two encodings y >= p, 14 strings of bytes.
const SMALL = (() => {
  const order8 = (() => {
    // L times any point has an order that divides 8; take points until one has order 8 itself.
    for (let y = 2n; ; y += 1n) {
      const bytes = Buffer.from(y.toString(16).padStart(64, "0"), "hex").reverse();
      const found = decompress(bytes);
      if (found === null) continue;
      const low = multiple(L, [found[0], found[1], 1n, mod(found[0] * found[1])]);
      if (!isNeutral(multiple(4n, low))) return mod(low[1] * inverse(low[2]));
    }
  })();
  return new Set([0n, 1n, P - 1n, order8, P - order8]);
})();

/** Whether 32 bytes are neither y >= p nor one of the 14 encodings of points of low order (format.md, 2). */
function sound(bytes) {
  const y = little(bytes) & ((1n << 255n) - 1n);
  return y < P && !SMALL.has(y);
}

/**
 * Verify strictly (format.md, 2).
 * @param {Buffer} publicKey 32 bytes
 * @param {Buffer} message
 * @param {Buffer} signature
 * @returns {boolean}
 */
export function verifies(publicKey, message, signature) {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  if (!sound(publicKey) || !sound(signature.subarray(0, 32)) || little(signature.subarray(32)) >= L) return false;
  try {
    const key = crypto.createPublicKey({ key: Buffer.concat([PREFIX, publicKey]), format: "der", type: "spki" });
    return crypto.verify(null, message, key, signature);
  } catch {
    return false;
  }
}

/** Whether a public key is a point of prime order, as every key of a trust store must be (format.md, 2 and 9). */
export function hasPrimeOrder(publicKey) {
  const point = decompress(publicKey);
  if (point === null) return false;
  const [x, y] = point;
  const extended = [x, y, 1n, mod(x * y)];
  return !isNeutral(extended) && isNeutral(multiple(L, extended));
}
