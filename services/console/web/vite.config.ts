import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `npm run dev` is for work on the page: it sends what is not a file of the page to a console that runs already, under
// the name that the browser used, which has to be one of its ASSAY_CONSOLE_HOSTS.
const console = process.env.ASSAY_CONSOLE_URL ?? "http://127.0.0.1:7470";
const backend = ["/api", "/session", "/signin", "/events", "/uploads", "/files", "/logs", "/packages/", "/export"];

export default defineConfig({
  plugins: [react()],
  html: { cspNonce: "__CSP_NONCE__" },
  build: {
    target: "es2022",
    // Nothing inlined as data: URLs: the content security policy names its own origin only.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  server: { proxy: Object.fromEntries(backend.map((path) => [path, { target: console, changeOrigin: false }])) },
});
