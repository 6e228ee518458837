import { createRouter, createWebHistory } from "vue-router";
import { me } from "@/frame/session";

export const router = createRouter({
  history: createWebHistory("/console/"),
  routes: [
    { path: "/sign-in", component: () => import("@/pages/SignIn.vue"), meta: { open: true } },
    { path: "/", component: () => import("@/pages/Today.vue") },
    { path: "/catalogue", component: () => import("@/pages/Catalogue.vue") },
    { path: "/catalogue/new", component: () => import("@/pages/Describe.vue") },
    { path: "/catalogue/workbook", component: () => import("@/pages/Workbook.vue") },
    { path: "/catalogue/demands", component: () => import("@/pages/Demands.vue") },
    { path: "/catalogue/drafts", component: () => import("@/pages/Drafts.vue") },
    { path: "/catalogue/drafts/:id", component: () => import("@/pages/Draft.vue"), props: true },
    { path: "/catalogue/disputes", component: () => import("@/pages/Disputes.vue") },
    { path: "/catalogue/disputes/new", component: () => import("@/pages/NewDispute.vue") },
    { path: "/catalogue/disputes/:id", component: () => import("@/pages/Dispute.vue"), props: true },
    { path: "/catalogue/:id/retire", component: () => import("@/pages/Retire.vue"), props: true },
    { path: "/catalogue/:id/edit", component: () => import("@/pages/Describe.vue"), props: true },
    { path: "/catalogue/:id", component: () => import("@/pages/Resource.vue"), props: true },
    { path: "/deliveries", component: () => import("@/pages/Deliveries.vue") },
    { path: "/deliveries/:dataset", component: () => import("@/pages/Dataset.vue"), props: true },
    { path: "/deliveries/:dataset/:delivery", component: () => import("@/pages/Delivery.vue"), props: true },
    { path: "/requests", component: () => import("@/pages/Requests.vue") },
    { path: "/requests/new", component: () => import("@/pages/NewRequest.vue") },
    { path: "/requests/:id", component: () => import("@/pages/Request.vue"), props: true },
    { path: "/registers", component: () => import("@/pages/Registers.vue") },
    { path: "/registers/:register/:id", component: () => import("@/pages/Record.vue"), props: true },
    { path: "/doubts/:register?", component: () => import("@/pages/Doubts.vue"), props: true },
    { path: "/decisions/:register", component: () => import("@/pages/Decisions.vue"), props: true },
    { path: "/grants", component: () => import("@/pages/Grants.vue") },
    { path: "/grants/:id", component: () => import("@/pages/Grant.vue"), props: true },
    { path: "/tickets", component: () => import("@/pages/Tickets.vue") },
    { path: "/tickets/new", component: () => import("@/pages/NewTicket.vue") },
    { path: "/tickets/:id", component: () => import("@/pages/Ticket.vue"), props: true },
    { path: "/appraisal", component: () => import("@/pages/Appraisal.vue") },
    { path: "/appraisal/matrix", component: () => import("@/pages/Matrix.vue") },
    { path: "/appraisal/:side(filings|appeals)", component: () => import("@/pages/Claims.vue"), props: true },
    { path: "/appraisal/filings/new", component: () => import("@/pages/NewFiling.vue") },
    { path: "/appraisal/filings/:id", component: () => import("@/pages/Filing.vue"), props: true },
    { path: "/appraisal/appeals/new", component: () => import("@/pages/NewAppeal.vue") },
    { path: "/appraisal/appeals/:id", component: () => import("@/pages/Appeal.vue"), props: true },
    { path: "/quality/:dataset", component: () => import("@/pages/Quality.vue"), props: true },
    { path: "/parts", component: () => import("@/pages/Parts.vue") },
    { path: "/audit", component: () => import("@/pages/Audit.vue") },
    { path: "/audit/readers", component: () => import("@/pages/Readers.vue") },
    { path: "/audit/:position(\\d+)", component: () => import("@/pages/AuditEntry.vue"), props: true },
    { path: "/operation", component: () => import("@/pages/Operation.vue") },
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
