import { Calendar, Connection, DataAnalysis, Monitor, Search, Stamp, Upload } from "@element-plus/icons-vue";
import type { Component } from "vue";
import type { Key } from "@/words";
import type { Role } from "./session";

export interface Place {
  to: string;
  words: Key;
  icon: Component;
  /** Who has work there; empty: everybody. */
  roles: Role[];
}

/** By what a person does, in the order in which a day goes. */
export const PLACES: Place[] = [
  { to: "/", words: "nav_today", icon: Calendar, roles: [] },
  { to: "/catalogue", words: "nav_find", icon: Search, roles: [] },
  { to: "/deliveries", words: "nav_hand_in", icon: Upload, roles: ["data_officer", "steward"] },
  { to: "/requests", words: "nav_use", icon: Connection, roles: ["data_officer", "steward", "analyst"] },
  { to: "/appraisal", words: "nav_appraisal", icon: DataAnalysis, roles: ["data_officer", "steward", "analyst"] },
  { to: "/audit", words: "nav_audit", icon: Stamp, roles: ["audit_admin"] },
  { to: "/operation", words: "nav_operation", icon: Monitor, roles: ["system_admin"] },
];
