/** ms → RFC 3339, as the platform reads it. */
export const rfc3339 = (ms: number): string => new Date(Math.round(ms)).toISOString();
