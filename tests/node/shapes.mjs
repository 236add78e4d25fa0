// Shapes, read from schemas/bundle-1.cddl when the verifier starts (format.md, 5): the subset of CDDL (RFC 8610) that the
// file uses.  The file is normative, so no shape is written down twice.
//
// A shape is a function (value, where, unknown) that throws a Refusal.  `unknown` is null where unknown fields are
// refused, or an array that collects their names where a newer minor version wrote them (3, Versions).

import fs from "node:fs";
import { Float, bad, over } from "./msgpack.mjs";

const TOKEN = /\s+|;[^\n]*|("(?:[^"\\]|\\.)*")|(-?\d+)|(\.\.)|(\.[a-z]+)|([A-Za-z][A-Za-z0-9-]*)|(=>|[=:/,*?()[\]{}])/gy;

/** Tokens of a CDDL text. */
function tokens(text) {
  const out = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const found = TOKEN.exec(text);
    if (found === null) throw new Error("the schema has a token that is not understood");
    const [, string, number, range, control, name, mark] = found;
    if (string !== undefined) out.push({ string: JSON.parse(string) });
    else if (number !== undefined) out.push({ number: BigInt(number) });
    else if (name !== undefined) out.push({ name });
    else if (range || control || mark) out.push({ mark: range ?? control ?? mark });
  }
  return out;
}

const inRange = (n, [low, high]) => n >= low && n <= high;
const length = (value) => BigInt(Buffer.byteLength(value));
const PRELUDE = {
  any: () => true,
  nil: (v) => v === null,
  bool: (v) => typeof v === "boolean",
  tstr: (v) => typeof v === "string",
  bstr: (v) => Buffer.isBuffer(v),
  float64: (v) => v instanceof Float,
  uint: (v) => typeof v === "bigint" && v >= 0n,
  nint: (v) => typeof v === "bigint" && v < 0n,
};

/** A shape from a predicate. */
const plain = (fits) => (value, where) => {
  if (!fits(value)) throw bad(`${where} is not of its shape`);
};

class Reader {
  constructor(text) {
    this.list = tokens(text);
    this.at = 0;
    this.rules = new Map();
    while (this.at < this.list.length) {
      const { name } = this.list[this.at++];
      this.take("=");
      this.rules.set(name, this.type());
    }
  }

  is(mark, ahead = 0) {
    return this.list[this.at + ahead]?.mark === mark;
  }

  take(mark) {
    if (!this.is(mark)) throw new Error(`the schema lacks ${mark} at token ${this.at}`);
    this.at++;
  }

  /** type1 / type1 / … */
  type() {
    const choices = [this.type1()];
    while (this.is("/")) {
      this.at++;
      choices.push(this.type1());
    }
    if (choices.length === 1) return choices[0];
    return (value, where, unknown) => {
      let last;
      for (const choice of choices) {
        try {
          return choice(value, where, unknown);
        } catch (error) {
          last = error;
        }
      }
      throw last;
    };
  }

  type1() {
    if (this.is("[")) return this.array();
    if (this.is("{")) return this.map();
    const token = this.list[this.at++];
    if (token.string !== undefined) return plain((v) => v === token.string);
    if (token.number !== undefined) {
      this.take("..");
      const range = [token.number, this.list[this.at++].number];
      return plain((v) => typeof v === "bigint" && inRange(v, range));
    }
    const base = PRELUDE[token.name];
    if (base === undefined) {
      return (value, where, unknown) => this.rules.get(token.name)(value, where, unknown);
    }
    const control = this.list[this.at]?.mark;
    if (control === ".size") {
      const range = this.size();
      return plain((v) => base(v) && inRange(length(v), range));
    }
    if (control === ".regexp") {
      const whole = new RegExp(`^(?:${this.list[this.at + 1].string})$`);
      this.at += 2;
      return plain((v) => base(v) && whole.test(v));
    }
    if (control === ".le" || control === ".ge") {
      const bound = this.list[this.at + 1].number;
      this.at += 2;
      return plain((v) => base(v) && (control === ".le" ? v <= bound : v >= bound));
    }
    return plain(base);
  }

  size() {
    this.at++;
    if (!this.is("(")) {
      const exact = this.list[this.at++].number;
      return [exact, exact];
    }
    this.at++;
    const low = this.list[this.at++].number;
    this.take("..");
    const high = this.list[this.at++].number;
    this.take(")");
    return [low, high];
  }

  array() {
    this.take("[");
    if (this.is("*", 1)) {
      const [low, high] = [this.list[this.at].number, this.list[this.at + 2].number];
      this.at += 3;
      const item = this.type();
      this.take("]");
      return (value, where, unknown) => {
        if (!Array.isArray(value) || value.length < low) throw bad(`${where} is not of its shape`);
        if (value.length > high) throw over(`${where} has too many items`); // in every shape, as in the envelope (2)
        value.forEach((v, i) => item(v, `${where}[${i}]`, unknown));
      };
    }
    const items = [];
    while (!this.is("]")) {
      items.push(this.type());
      if (this.is(",")) this.at++;
    }
    this.take("]");
    return (value, where, unknown) => {
      if (!Array.isArray(value) || value.length !== items.length) throw bad(`${where} is not of its shape`);
      items.forEach((item, i) => item(value[i], `${where}[${i}]`, unknown));
    };
  }

  map() {
    this.take("{");
    const known = new Map();
    let others = null;
    while (!this.is("}")) {
      if (this.is("*")) {
        this.at += 2; // * tstr
        this.take("=>");
        others = this.type();
      } else {
        const optional = this.is("?");
        if (optional) this.at++;
        const name = this.list[this.at++].string;
        this.take(":");
        known.set(name, { optional, shape: this.type() });
      }
      if (this.is(",")) this.at++;
    }
    this.take("}");
    return (value, where, unknown) => {
      if (!(value instanceof Map)) throw bad(`${where} is no map`);
      for (const [name, { optional, shape }] of known) {
        if (value.has(name)) shape(value.get(name), `${where}.${name}`, unknown);
        else if (!optional) throw bad(`${where}.${name} is missing`);
      }
      for (const [name, content] of value) {
        if (known.has(name)) continue;
        if (others !== null) others(content, `${where}.${name}`, unknown);
        else if (unknown === null) throw bad(`${where}.${name} is unknown`);
        else unknown.push(`${where}.${name}`);
      }
    };
  }
}

const schema = new Reader(fs.readFileSync(new URL("../../schemas/bundle-1.cddl", import.meta.url), "utf8"));

/**
 * Hold a decoded value against a rule of the schema.
 * @param {string} name rule, for example `manifest`
 * @param {unknown} value what `decode` returned
 * @param {string[]|null} unknown collects unknown fields, or null to refuse them
 * @throws {Refusal} LIMIT for an array with too many items, else MALFORMED
 */
export function fit(name, value, unknown = null) {
  schema.rules.get(name)(value, name, unknown);
}
