/*
 * Keeps the app and what was last seen of items and parts, so that both open without a connection. Everything is asked of the
 * platform first; only what it does not answer comes from here, and the page is told of when that is.
 * The build puts the files' names in, and serves this as /sw.js.
 */

const FILES = __FILES__;
const SHELL = "gemel-shell-__VERSION__";
const SEEN = "gemel-seen";
const MOST_SEEN = 400;
const PATIENCE_MS = 8000;
const WHEN = "x-gemel-seen";
const KEPT = /^\/api\/v1\/(me|site|types|units|items|parts|work|filled-forms)(\/|$)/;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(SHELL)
      .then((cache) => cache.addAll(["/", ...FILES]))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  const old = (name) => name.startsWith("gemel-") && name !== SHELL && name !== SEEN;
  event.waitUntil(
    caches
      .keys()
      .then((names) => Promise.all(names.filter(old).map((name) => caches.delete(name))))
      .then(() => self.clients.claim()),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate") {
    if (!pathname.startsWith("/api/")) event.respondWith(page(request));
  } else if (FILES.includes(pathname)) event.respondWith(file(request));
  else if (KEPT.test(pathname)) event.respondWith(answer(event));
});

async function page(request) {
  const kept = await caches.match("/", { cacheName: SHELL });
  try {
    return await fetch(request, kept && { signal: AbortSignal.timeout(PATIENCE_MS) });
  } catch (error) {
    if (kept) return kept;
    throw error;
  }
}

async function file(request) {
  return (await caches.match(request, { cacheName: SHELL, ignoreVary: true })) ?? fetch(request);
}

async function answer(event) {
  const { request, clientId } = event;
  const cache = await caches.open(SEEN);
  const kept = await cache.match(request, { ignoreVary: true });
  const patience = kept ? [request.signal, AbortSignal.timeout(PATIENCE_MS)] : [request.signal];
  try {
    const fresh = await fetch(request, { signal: AbortSignal.any(patience) });
    if (fresh.ok) event.waitUntil(keep(cache, request, fresh.clone()));
    else if (fresh.status === 401 || fresh.status === 403 || fresh.status === 404) event.waitUntil(cache.delete(request, { ignoreVary: true }));
    return fresh;
  } catch (error) {
    if (!kept || request.signal.aborted) throw error;
    const client = await self.clients.get(clientId);
    client?.postMessage({ seen: Number(kept.headers.get(WHEN)) });
    return kept;
  }
}

async function keep(cache, request, answer) {
  const headers = new Headers(answer.headers);
  headers.set(WHEN, String(Date.now()));
  headers.delete("content-encoding");
  await cache.put(request, new Response(await answer.blob(), { status: answer.status, headers }));
  const keys = await cache.keys();
  for (const old of keys.slice(0, Math.max(0, keys.length - MOST_SEEN))) await cache.delete(old);
}
