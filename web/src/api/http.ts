/** HTTP calls of the screens: JSON in and out, problems (RFC 9457) as `ApiError`, pages followed to their end. */

import type { Page } from "./model";

export const BASE = "/api/v1";

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    /** What else the problem document tells. */
    readonly about: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail);
  }
}

/** What to tell of whatever was thrown. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

type Query = Record<string, string | number | boolean | null | undefined | readonly string[]>;

export function address(path: string, query: Query = {}): string {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (Array.isArray(value)) for (const one of value) search.append(key, one);
    else if (value !== null && value !== undefined && value !== "") search.set(key, String(value));
  }
  const text = search.toString();
  return BASE + path + (text ? `?${text}` : "");
}

export const twinPath = (id: string): string => `/twins/${encodeURIComponent(id)}`;

async function call<T>(path: string, init: RequestInit, query?: Query, plain = false): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(address(path, query), { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", String(error));
  }
  const text = await answer.text();
  if (plain && answer.ok) return text as T;
  let body: unknown = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    if (answer.ok) throw new ApiError(answer.status, "not_json", text.slice(0, 200));
  }
  if (!answer.ok) {
    const problem = (body ?? {}) as { code?: string; detail?: string; title?: string } & Record<string, unknown>;
    const detail = problem.detail ?? problem.title ?? answer.statusText;
    throw new ApiError(answer.status, problem.code ?? String(answer.status), detail, problem);
  }
  return body as T;
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal): Promise<T> =>
  call<T>(path, signal ? { signal } : {}, query);

/** What is not JSON, as it is. */
export const getText = (path: string, query?: Query): Promise<string> => call<string>(path, {}, query, true);

/** `revision`: only while what it is about is at it. */
export const post = <T>(path: string, body: unknown, revision?: number): Promise<T> =>
  call<T>(path, { method: "POST", headers: { "content-type": "application/json", ...(revision === undefined ? {} : { "if-match": `"${revision}"` }) }, body: JSON.stringify(body) });

/** A text of another form than JSON, as a file has it; or the file. */
export const postText = <T>(path: string, body: string | Blob, type: string, query?: Query): Promise<T> =>
  call<T>(path, { method: "POST", headers: { "content-type": type }, body }, query);

/** A text that something shall be as; `revision`: only while that is at it. */
export const putText = <T>(path: string, body: string, type: string, query?: Query, revision?: number): Promise<T> =>
  call<T>(path, { method: "PUT", headers: { "content-type": type, ...(revision === undefined ? {} : { "if-match": `"${revision}"` }) }, body }, query);

/** Any other verb; `body` as JSON, if there is one. */
export const send = <T>(method: string, path: string, body?: unknown): Promise<T> =>
  call<T>(path, body === undefined ? { method } : { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

export const remove = <T>(path: string): Promise<T> => call<T>(path, { method: "DELETE" });

/** A list's items, whether it is paged or plain. */
export function itemsOf<T>(answer: Page<T> | T[]): T[] {
  return Array.isArray(answer) ? answer : answer.items;
}

/** All pages of a list, at most `limit` items. */
export async function all<T>(path: string, query: Query = {}, { limit = 5000, signal }: { limit?: number; signal?: AbortSignal } = {}): Promise<T[]> {
  const found: T[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<T> | T[] = await get<Page<T> | T[]>(path, { limit: 500, ...query, cursor }, signal);
    found.push(...itemsOf(page));
    cursor = Array.isArray(page) ? null : page.next;
  } while (cursor && found.length < limit);
  return found;
}
