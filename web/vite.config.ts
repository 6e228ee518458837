import { fileURLToPath } from "node:url";
import vue from "@vitejs/plugin-vue";
import { ElementPlusResolver } from "unplugin-vue-components/resolvers";
import components from "unplugin-vue-components/vite";
import { defineConfig } from "vite";
import { schemas } from "./schemas.ts";

export default defineConfig({
  base: "/console/",
  plugins: [
    vue(),
    schemas(),
    // Only the parts of Element Plus that are used; our own are imported by name, so that one sees where they come from
    components({ dirs: [], dts: "src/components.d.ts", resolvers: [ElementPlusResolver({ importStyle: "css" })] }),
  ],
  resolve: { alias: { "@": fileURLToPath(new URL("src", import.meta.url)) } },
  build: { outDir: "../src/cityloom/console/static", emptyOutDir: true, target: "es2022" },
  server: { proxy: { "/api": process.env.CITYLOOM_URL ?? "http://127.0.0.1:8080" } },
});
