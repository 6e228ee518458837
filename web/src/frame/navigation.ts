import {
  Calendar,
  Checked,
  Connection,
  DataAnalysis,
  EditPen,
  Key as Grant,
  MapLocation,
  Monitor,
  Search,
  Stamp,
  Upload,
  User,
} from "@element-plus/icons-vue";
import type { Component } from "vue";
import type { Key } from "@/words";
import { frame } from "./frame";
import type { Role } from "./session";

export interface Place {
  to: string;
  words: Key;
  icon: Component;
  /** Who has work there; empty: everybody. */
  roles: Role[];
  /** Whether there is work for the organisation, where that is not so for all. */
  when?: () => boolean;
}

const keeps = () => (frame.value?.registers.length ?? 0) > 0;

/** By what a person does, in the order in which a day goes. */
export const PLACES: Place[] = [
  { to: "/", words: "nav_today", icon: Calendar, roles: [] },
  { to: "/catalogue", words: "nav_find", icon: Search, roles: [] },
  { to: "/deliveries", words: "nav_hand_in", icon: Upload, roles: ["data_officer", "steward"] },
  { to: "/requests", words: "nav_use", icon: Connection, roles: ["data_officer", "steward", "analyst"] },
  { to: "/map", words: "nav_map", icon: MapLocation, roles: ["data_officer", "steward", "analyst"] },
  { to: "/grants", words: "grants", icon: Grant, roles: ["data_officer", "steward", "analyst"] },
  { to: "/registers", words: "nav_registers", icon: User, roles: ["data_officer", "steward", "analyst"] },
  { to: "/doubts", words: "nav_doubts", icon: Checked, roles: ["data_officer", "steward"], when: keeps },
  { to: "/tickets", words: "nav_tickets", icon: EditPen, roles: ["data_officer", "steward", "analyst"] },
  { to: "/appraisal", words: "nav_appraisal", icon: DataAnalysis, roles: ["data_officer", "steward", "analyst"] },
  { to: "/audit", words: "nav_audit", icon: Stamp, roles: ["audit_admin"] },
  { to: "/operation", words: "nav_operation", icon: Monitor, roles: ["system_admin"] },
];
