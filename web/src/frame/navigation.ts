import { Calendar, Connection, MapLocation, Search, Upload } from "@element-plus/icons-vue";
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
  { to: "/map", words: "nav_map", icon: MapLocation, roles: ["data_officer", "steward", "analyst"] },
];
