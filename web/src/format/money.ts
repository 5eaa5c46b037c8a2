/** Exact amounts of money: decimal text in, the reader's own marks out; no float in between. */

export function money(amount: string, currency: string, locale: string): string {
  const decimals = amount.split(".")[1]?.length ?? 0;
  const fixed = decimals ? { minimumFractionDigits: Math.max(2, decimals), maximumFractionDigits: Math.max(2, decimals) } : {};
  // ECMA-402 formats decimal texts exactly; the library of types does not know that yet
  return new Intl.NumberFormat(locale, { style: "currency", currency, ...fixed }).format(amount as unknown as number);
}
