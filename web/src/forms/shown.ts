/**
 * Whether a field is asked, by the answers before it: the part of the platform's expressions that forms use, so that a phone without a
 * connection knows, too. Three-valued, as there; what is not understood is undefined, and then the person decides.
 */

import type { Answer, Answers, Field } from "./model";

type Value = number | boolean | string | null;
type Node = (answers: Readonly<Record<string, Value>>) => Value;

const TOKEN = /\s*(?:(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)|'((?:[^']|'')*)'|([A-Za-z_]\w*)|(<=|>=|<>|!=|[-+*/()<>=,]))/y;
const WORDS = new Set(["and", "or", "not", "in", "is", "null", "true", "false", "between"]);

class NotUnderstood extends Error {}

interface Token {
  kind: "number" | "text" | "name" | "sign";
  text: string;
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  const end = text.trimEnd().length;
  while (TOKEN.lastIndex < end) {
    const match = TOKEN.exec(text);
    if (!match) throw new NotUnderstood(text);
    const [, number, quoted, name, sign] = match;
    if (number !== undefined) found.push({ kind: "number", text: number });
    else if (quoted !== undefined) found.push({ kind: "text", text: quoted.replaceAll("''", "'") });
    else if (name !== undefined) found.push(WORDS.has(name.toLowerCase()) ? { kind: "sign", text: name.toLowerCase() } : { kind: "name", text: name });
    else found.push({ kind: "sign", text: sign! });
  }
  return found;
}

const not = (one: Value): Value => (one === null ? null : !one);
const both = (one: Value, two: Value): Value => (one === false || two === false ? false : one === null || two === null ? null : true);
const either = (one: Value, two: Value): Value => not(both(not(one), not(two)));
const COMPARE: Record<string, (one: number | string | boolean, two: number | string | boolean) => boolean> = {
  "=": (one, two) => one === two,
  "<>": (one, two) => one !== two,
  "!=": (one, two) => one !== two,
  "<": (one, two) => one < two,
  ">": (one, two) => one > two,
  "<=": (one, two) => one <= two,
  ">=": (one, two) => one >= two,
};
const RECKON: Record<string, (one: number, two: number) => number | null> = {
  "+": (one, two) => one + two,
  "-": (one, two) => one - two,
  "*": (one, two) => one * two,
  "/": (one, two) => (two === 0 ? null : one / two),
};
const known = (fn: (one: number | string | boolean, two: number | string | boolean) => Value, one: Value, two: Value): Value => (one === null || two === null ? null : fn(one, two));

class Parser {
  private at = 0;
  constructor(private readonly list: Token[]) {}

  whole(): Node {
    const node = this.or();
    if (this.at < this.list.length) throw new NotUnderstood(this.list[this.at]!.text);
    return node;
  }
  private sign(...texts: string[]): string | null {
    const token = this.list[this.at];
    if (token?.kind !== "sign" || !texts.includes(token.text)) return null;
    this.at++;
    return token.text;
  }
  private need(text: string): void {
    if (!this.sign(text)) throw new NotUnderstood(text);
  }
  private or(): Node {
    let left = this.and();
    while (this.sign("or")) {
      const [one, two] = [left, this.and()];
      left = (a) => either(one(a), two(a));
    }
    return left;
  }
  private and(): Node {
    let left = this.not();
    while (this.sign("and")) {
      const [one, two] = [left, this.not()];
      left = (a) => both(one(a), two(a));
    }
    return left;
  }
  private not(): Node {
    if (!this.sign("not")) return this.compared();
    const one = this.not();
    return (a) => not(one(a));
  }
  private compared(): Node {
    const one = this.sum();
    const sign = this.sign(...Object.keys(COMPARE));
    if (sign) {
      const two = this.sum();
      return (a) => known(COMPARE[sign]!, one(a), two(a));
    }
    if (this.sign("is")) {
      const negated = this.sign("not") !== null;
      this.need("null");
      return (a) => (one(a) === null) !== negated;
    }
    const negated = this.sign("not") !== null;
    if (this.sign("in")) {
      this.need("(");
      const listed = [this.sum()];
      while (this.sign(",")) listed.push(this.sum());
      this.need(")");
      const found: Node = (a) => listed.map((two) => known(COMPARE["="]!, one(a), two(a))).reduce(either);
      return negated ? (a) => not(found(a)) : found;
    }
    if (this.sign("between")) {
      const low = this.sum();
      this.need("and");
      const high = this.sum();
      const found: Node = (a) => both(known(COMPARE[">="]!, one(a), low(a)), known(COMPARE["<="]!, one(a), high(a)));
      return negated ? (a) => not(found(a)) : found;
    }
    if (negated) throw new NotUnderstood("not");
    return one;
  }
  private sum(): Node {
    return this.reckoned(["+", "-"], () => this.reckoned(["*", "/"], () => this.one()));
  }
  private reckoned(signs: string[], next: () => Node): Node {
    let left = next();
    for (let sign = this.sign(...signs); sign; sign = this.sign(...signs)) {
      const [one, two, fn] = [left, next(), RECKON[sign]!];
      left = (a) => known((x, y) => fn(Number(x), Number(y)), one(a), two(a));
    }
    return left;
  }
  private one(): Node {
    if (this.sign("-")) {
      const one = this.one();
      return (a) => known((x) => -Number(x), one(a), 0);
    }
    if (this.sign("(")) {
      const node = this.or();
      this.need(")");
      return node;
    }
    const word = this.sign("true", "false", "null");
    if (word) return () => (word === "null" ? null : word === "true");
    const token = this.list[this.at++];
    if (!token || token.kind === "sign") throw new NotUnderstood(token?.text ?? "");
    if (token.kind === "number") return () => Number(token.text);
    if (token.kind === "text") return () => token.text;
    if (this.list[this.at]?.text === "(") throw new NotUnderstood(token.text);
    return (a) => {
      if (!(token.text in a)) throw new NotUnderstood(token.text);
      return a[token.text]!;
    };
  }
}

/** Numbers of different units are compared by the platform, which converts them. */
function mixesUnits(list: readonly Token[], before: readonly Field[]): boolean {
  const named = new Set(list.flatMap(({ kind, text }) => (kind === "name" ? [text] : [])));
  return new Set(before.flatMap(({ name, kind, unit }) => (kind === "number" && named.has(name) ? [unit] : []))).size > 1;
}

const valueOf = (answer: Answer | undefined): Value => (answer === undefined || typeof answer === "object" ? null : answer);

/** True: it is asked; false: it is not; undefined: the platform alone can tell. */
export function isShown(field: Field, before: readonly Field[], answers: Answers): boolean | undefined {
  if (!field.shown) return true;
  const values = Object.fromEntries(before.filter(({ kind }) => kind !== "file" && kind !== "moment").map(({ name }) => [name, valueOf(answers[name])]));
  try {
    const list = tokens(field.shown);
    return mixesUnits(list, before) ? undefined : new Parser(list).whole()(values) === true;
  } catch (error) {
    if (error instanceof NotUnderstood) return undefined;
    throw error;
  }
}

/** The fields that are asked, in order, by the answers that are given; an answer to one that is not asked counts as none. */
export function asked(fields: readonly Field[], answers: Answers): { field: Field; sure: boolean }[] {
  const found: { field: Field; sure: boolean }[] = [];
  const counted: Answers = {};
  fields.forEach((field, index) => {
    const shown = isShown(field, fields.slice(0, index), counted);
    if (shown === false) return;
    found.push({ field, sure: shown === true });
    const answer = answers[field.name];
    if (answer !== undefined) counted[field.name] = answer;
  });
  return found;
}
