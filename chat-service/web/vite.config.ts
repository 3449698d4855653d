/** How the client is built: hashed files into the service's package, nothing inline. */
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

const service = "http://localhost:8000";

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: "../src/chat_service/web_client",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    // An inlined file would be a data: address, which the policy does not allow.
    assetsInlineLimit: 0,
  },
  server: {
    proxy: {
      "/api": service,
      "/socket.io": { target: service, ws: true },
    },
  },
  test: { include: ["tests/**/*.test.ts"], environment: "node" },
});
