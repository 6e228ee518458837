import "@/tokens/tokens.css";
import "@/tokens/base.css";
import "@/tokens/table.css";
import { createApp } from "vue";
import App from "@/frame/App.vue";
import { resume } from "@/frame/session";
import "@/frame/theme";
import "element-plus/es/components/base/style/css";
import "@/tokens/element.css";
import { router } from "@/router";

await resume();
createApp(App).use(router).mount("#app");
