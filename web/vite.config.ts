import { defineConfig } from "vite";

export default defineConfig({
  build: { outDir: "dist", emptyOutDir: true, target: "es2022" },
  server: { proxy: { "^/(parley\\.|attachments/)": "http://127.0.0.1:7777" } },
});
