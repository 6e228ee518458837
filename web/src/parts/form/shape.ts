/** The part of JSON Schema that forms are made from, and what is wrong with a value by it. */

export interface Said {
  en: string;
  zh: string;
}

export interface Shape {
  type?: string | string[];
  title?: string | Said;
  description?: string | Said;
  enum?: readonly (string | number | null)[];
  const?: unknown;
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  minItems?: number;
  maxItems?: number;
  default?: unknown;
  properties?: Record<string, Shape>;
  required?: readonly string[];
  items?: Shape;
  oneOf?: readonly Shape[];
  anyOf?: readonly Shape[];
}

export type Values = Record<string, unknown>;

export type Kind = "text" | "prose" | "number" | "boolean" | "date" | "choice" | "lines" | "group" | "rows";

/** A shape without the choice between something and nothing; `empty` says whether it may be nothing. */
export function plain(shape: Shape): { shape: Shape; empty: boolean } {
  const choices = shape.oneOf ?? shape.anyOf;
  if (choices) {
    const other = choices.find((each) => each.type !== "null") ?? {};
    const rest = Object.fromEntries(Object.entries(shape).filter(([name]) => name !== "oneOf" && name !== "anyOf"));
    return { shape: { ...other, ...rest }, empty: choices.some((each) => each.type === "null") };
  }
  if (Array.isArray(shape.type)) {
    const type = shape.type.find((each) => each !== "null");
    return { shape: { ...shape, ...(type ? { type } : {}) }, empty: shape.type.includes("null") };
  }
  return { shape, empty: false };
}

const LONG = 1000;

export function kindOf(given: Shape): Kind {
  const { shape } = plain(given);
  if (shape.enum) return "choice";
  if (shape.type === "boolean") return "boolean";
  if (shape.type === "integer" || shape.type === "number") return "number";
  if (shape.type === "object") return "group";
  if (shape.type === "array") return plain(shape.items ?? {}).shape.type === "object" ? "rows" : "lines";
  if (shape.format === "date") return "date";
  return (shape.maxLength ?? 0) >= LONG ? "prose" : "text";
}

/** What is wrong, as a word of the console with what fills it. */
export interface Wrong {
  word:
    | "form_required"
    | "form_short"
    | "form_long"
    | "form_pattern"
    | "form_number"
    | "form_whole"
    | "form_least"
    | "form_most"
    | "form_day"
    | "form_choice"
    | "form_few"
    | "form_many";
  filling: Record<string, string | number>;
}

const wrong = (word: Wrong["word"], filling: Wrong["filling"] = {}): Wrong => ({ word, filling });

const nothing = (value: unknown) =>
  value === undefined || value === null || value === "" || (Array.isArray(value) && value.length === 0);

/** Whether nothing at all was filled in. */
export function blank(value: unknown): boolean {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return Object.values(value).every(blank);
  return nothing(value);
}

function ofText(shape: Shape, text: string): Wrong | undefined {
  const length = [...text].length;
  if (shape.minLength !== undefined && length < shape.minLength) return wrong("form_short", { least: shape.minLength });
  if (shape.maxLength !== undefined && length > shape.maxLength) return wrong("form_long", { most: shape.maxLength });
  if (shape.format === "date" && !isDay(text)) return wrong("form_day");
  if (shape.pattern !== undefined && !new RegExp(shape.pattern, "u").test(text)) return wrong("form_pattern");
  return undefined;
}

function isDay(text: string): boolean {
  const found = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!found) return false;
  const day = new Date(`${text}T00:00:00Z`);
  return !Number.isNaN(day.getTime()) && day.getUTCDate() === Number(found[3]);
}

function ofNumber(shape: Shape, value: unknown): Wrong | undefined {
  const number = typeof value === "number" ? value : Number(value);
  if (!Number.isFinite(number)) return wrong("form_number");
  if (shape.type === "integer" && !Number.isInteger(number)) return wrong("form_whole");
  if (shape.minimum !== undefined && number < shape.minimum) return wrong("form_least", { least: shape.minimum });
  if (shape.maximum !== undefined && number > shape.maximum) return wrong("form_most", { most: shape.maximum });
  return undefined;
}

/** What is wrong with one value by itself; what stands inside it is asked for by itself. */
export function faultOf(given: Shape, value: unknown, required: boolean): Wrong | undefined {
  const { shape } = plain(given);
  const kind = kindOf(shape);
  if (kind === "group" ? required && blank(value) : nothing(value)) {
    // a choice may have the empty text for «not stated»
    const stated = value === "" && (shape.enum?.includes("") ?? false);
    return required && !stated ? wrong("form_required") : undefined;
  }
  if (kind === "choice") return shape.enum?.includes(value as string) ? undefined : wrong("form_choice");
  if (kind === "number") return ofNumber(shape, value);
  if (kind === "lines" || kind === "rows") {
    const length = (value as unknown[]).length;
    if (shape.minItems !== undefined && length < shape.minItems) return wrong("form_few", { least: shape.minItems });
    if (shape.maxItems !== undefined && length > shape.maxItems) return wrong("form_many", { most: shape.maxItems });
    const lines = kind === "lines" ? (value as string[]) : [];
    return lines.map((line) => ofText(plain(shape.items ?? {}).shape, line)).find((each) => each);
  }
  return typeof value === "string" && kind !== "boolean" ? ofText(shape, value) : undefined;
}

/** Everything that is wrong, by path (`items.0.name`). A text in two languages is there when either is. */
export function faultsOf(given: Shape, value: Values, only?: readonly string[]): Record<string, Wrong> {
  const found: Record<string, Wrong> = {};
  const look = (part: Shape, values: Values, above: string, names: readonly string[]) => {
    for (const name of names) {
      const shape = part.properties?.[name];
      if (!shape) continue;
      const path = above ? `${above}.${name}` : name;
      const required = part.required?.includes(name) ?? false;
      const fault = faultOf(shape, values[name], required);
      if (fault) found[path] = fault;
      const inner = plain(shape).shape;
      const kind = kindOf(inner);
      if (kind === "group" && !isSaid(inner) && !blank(values[name]))
        look(inner, values[name] as Values, path, Object.keys(inner.properties ?? {}));
      if (kind === "rows") {
        const row = plain(inner.items ?? {}).shape;
        for (const [place, each] of ((values[name] ?? []) as Values[]).entries())
          look(row, each, `${path}.${place}`, Object.keys(row.properties ?? {}));
      }
    }
  };
  look(given, value, "", only ?? Object.keys(given.properties ?? {}));
  return found;
}

/** Whether an object is a text in both languages: it stands as two lines under one name, of which one may be empty. */
export function isSaid(given: Shape): boolean {
  const names = Object.keys(plain(given).shape.properties ?? {});
  return names.length === 2 && names.includes("en") && names.includes("zh");
}

/** What a form starts from: what the schema says is meant where nothing is said. */
export function blankOf(given: Shape): Values {
  const { shape } = plain(given);
  const made: Values = {};
  for (const [name, each] of Object.entries(shape.properties ?? {})) {
    const part = plain(each);
    if (part.shape.default !== undefined) made[name] = structuredClone(part.shape.default);
    else if (isSaid(part.shape)) made[name] = { en: "", zh: "" };
    else if (kindOf(part.shape) === "group") made[name] = part.empty ? null : blankOf(part.shape);
    else if (part.shape.type === "array") made[name] = [];
    else if (part.shape.type === "boolean") made[name] = false;
    else if (part.empty || part.shape.type === "integer" || part.shape.type === "number") made[name] = null;
    else made[name] = "";
  }
  return made;
}
