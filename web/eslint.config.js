import { defineConfigWithVueTs, vueTsConfigs } from "@vue/eslint-config-typescript";
import vue from "eslint-plugin-vue";

// The floors of the console: pages know parts, parts know neither pages nor the session
const floor = (files, ...banned) => ({
  files: [files],
  rules: { "no-restricted-imports": ["error", { patterns: banned.map((name) => `**/${name}/*`) }] },
});

export default defineConfigWithVueTs(
  { ignores: ["src/api/schema.ts", "src/components.d.ts"] },
  vue.configs["flat/essential"],
  vueTsConfigs.strict,
  floor("src/parts/**", "pages", "frame"),
  floor("src/api/**", "pages", "parts", "frame", "words"),
  {
    rules: { "vue/multi-word-component-names": "off" },
  },
);
