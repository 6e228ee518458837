import { createRouter, createWebHistory } from "vue-router";
import { me } from "@/frame/session";

export const router = createRouter({
  history: createWebHistory("/console/"),
  routes: [
    { path: "/sign-in", component: () => import("@/pages/SignIn.vue"), meta: { open: true } },
    { path: "/", component: () => import("@/pages/Today.vue") },
    { path: "/catalogue", component: () => import("@/pages/Catalogue.vue") },
    { path: "/catalogue/:id", component: () => import("@/pages/Resource.vue"), props: true },
    { path: "/deliveries", component: () => import("@/pages/Deliveries.vue") },
    { path: "/deliveries/:dataset", component: () => import("@/pages/Dataset.vue"), props: true },
    { path: "/deliveries/:dataset/:delivery", component: () => import("@/pages/Delivery.vue"), props: true },
    { path: "/requests", component: () => import("@/pages/Requests.vue") },
    { path: "/requests/new", component: () => import("@/pages/NewRequest.vue") },
    { path: "/requests/:id", component: () => import("@/pages/Request.vue"), props: true },
    { path: "/map", component: () => import("@/pages/CityMap.vue") },
    { path: "/:rest(.*)*", component: () => import("@/pages/Unknown.vue") },
  ],
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
});

router.beforeEach((to) => {
  const inside = me.value !== null && !me.value.must_change_password;
  if (!inside && !to.meta["open"]) return { path: "/sign-in", query: { to: to.fullPath } };
  return true;
});
