// Strict JSON (RFC 8259) for headers of safetensors files: no name twice, no byte order mark, and integers told apart from
// other numbers, none of which JSON.parse can do.

const TOKEN = /[ \t\n\r]*(?:("(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)|(true|false|null)|([[\]{},:]))/y;

/**
 * Parse a JSON text.  Objects become Map, integers BigInt, other numbers Number.
 * @param {string} text
 * @throws {SyntaxError}
 */
export function parse(text) {
  TOKEN.lastIndex = 0;
  let token = null;
  const next = () => {
    const found = TOKEN.exec(text);
    token = found && { string: found[1], number: found[2], word: found[3], mark: found[4] };
    if (found === null) throw new SyntaxError("no JSON");
  };
  const value = (depth) => {
    if (depth > 64) throw new SyntaxError("nested too deep");
    const { string, number, word, mark } = token;
    if (string !== undefined) return JSON.parse(string);
    if (number !== undefined) return /^-?[0-9]+$/.test(number) ? BigInt(number) : Number(number);
    if (word !== undefined) return JSON.parse(word);
    if (mark !== "[" && mark !== "{") throw new SyntaxError("no JSON");
    const [out, end] = mark === "[" ? [[], "]"] : [new Map(), "}"];
    next();
    if (token.mark === end) return out;
    for (;;) {
      if (mark === "[") out.push(value(depth + 1));
      else {
        const name = token.string === undefined ? null : JSON.parse(token.string);
        if (name === null || out.has(name)) throw new SyntaxError("a name that is missing or stands twice");
        next();
        if (token.mark !== ":") throw new SyntaxError("no colon");
        next();
        out.set(name, value(depth + 1));
      }
      next();
      if (token.mark === end) return out;
      if (token.mark !== ",") throw new SyntaxError("no comma");
      next();
    }
  };
  next();
  const out = value(0);
  if (/[^ \t\n\r]/.test(text.slice(TOKEN.lastIndex))) throw new SyntaxError("something after the value");
  return out;
}
