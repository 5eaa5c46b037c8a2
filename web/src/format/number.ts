/** Numbers as a screen shows them: few digits, steady width, the reader's own marks. */

const formats = new Map<string, Intl.NumberFormat>();

function format(locale: string, digits: number, least: number): Intl.NumberFormat {
  const key = `${locale}|${digits}|${least}`;
  let found = formats.get(key);
  if (!found) {
    found = new Intl.NumberFormat(locale, { maximumFractionDigits: digits, minimumFractionDigits: least });
    formats.set(key, found);
  }
  return found;
}

/** About four figures; whole numbers without decimals; very small and very large ones with a power of ten. */
export function number(value: number, locale: string): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e9)) {
    return new Intl.NumberFormat(locale, { notation: "scientific", maximumFractionDigits: 2 }).format(value);
  }
  if (Number.isInteger(value)) return format(locale, 0, 0).format(value);
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 3;
  const text = format(locale, digits, Math.min(digits, 2)).format(value);
  return /[1-9]/.test(text) ? text.replace(/^-(?=[0.,]*$)/, "") : "0";
}

export function whole(value: number, locale: string): string {
  return format(locale, 0, 0).format(value);
}
