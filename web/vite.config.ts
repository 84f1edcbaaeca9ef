import { defineConfig } from "vite";

// The page is served under a content security policy without any inline code or style: nothing may be inlined.
export default defineConfig({
  build: {
    outDir: "../src/yaoki/api/web",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2023",
    reportCompressedSize: false,
  },
  server: {
    proxy: Object.fromEntries(["/ai", "/livez", "/readyz"].map((path) => [path, "http://127.0.0.1:8400"])),
  },
});
