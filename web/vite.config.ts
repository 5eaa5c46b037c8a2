import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

import { svelte } from "@sveltejs/vite-plugin-svelte";
import type { Plugin, UserConfig } from "vite";

// GEMEL_URL: the running platform that `npm run dev` talks to.
const platform = process.env.GEMEL_URL ?? "http://127.0.0.1:8080";

/** Compresses once, at build time: the server sends the .br or .gz beside each file as it is. */
function siblings(): Plugin {
  let folder = "";
  return {
    name: "compressed-siblings",
    apply: "build",
    configResolved({ root, build }) {
      folder = resolve(root, build.outDir);
    },
    closeBundle() {
      for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
        if (!entry.isFile() || !/\.(js|css|html|svg)$/.test(entry.name)) continue;
        const path = join(entry.parentPath, entry.name);
        const body = readFileSync(path);
        writeFileSync(`${path}.gz`, gzipSync(body, { level: 9 }));
        writeFileSync(`${path}.br`, brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
      }
    },
  };
}

/** Writes /sw.js: it knows the names of all files, and is another one whenever one of them is. */
function worker(): Plugin {
  return {
    name: "offline-worker",
    apply: "build",
    generateBundle(_, bundle) {
      const files = ["/icon.svg", ...Object.keys(bundle).filter((name) => name.startsWith("assets/")).map((name) => `/${name}`)];
      const text = readFileSync("src/offline/worker.js", "utf8").replace("__FILES__", JSON.stringify(files));
      const version = createHash("sha256").update(text).digest("hex").slice(0, 12);
      this.emitFile({ type: "asset", fileName: "sw.js", source: text.replace("__VERSION__", version) });
    },
  };
}

export default {
  plugins: [svelte(), worker(), siblings()],
  build: {
    outDir: "../src/gemel/server/web",
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": { target: platform, ws: true } } },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
} as UserConfig;
