import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

// GEMEL_URL: the running platform that `npm run dev` talks to.
const platform = process.env.GEMEL_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: process.env.GEMEL_WEB_OUT ?? "../src/gemel/server/web",
    emptyOutDir: true,
    target: "es2023",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: { proxy: { "/api": { target: platform, ws: true } } },
  test: { environment: "node", include: ["src/**/*.test.ts"] },
} as Parameters<typeof defineConfig>[0]);
