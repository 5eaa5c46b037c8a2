/** Every page: its address, its name, where the menus have it, and who sees it there. A new page is a line here. */

import type { Component } from "svelte";

import type { Role } from "./api/model";
import Access from "./access/Access.svelte";
import Account from "./access/Account.svelte";
import Backups from "./backups/Backups.svelte";
import Connect from "./connect/Connect.svelte";
import Entanglement from "./entanglement/Entanglement.svelte";
import Overview from "./fleet/Overview.svelte";
import type { Key } from "./i18n/texts";
import Connectors from "./pages/Connectors.svelte";
import Device from "./pages/Device.svelte";
import Devices from "./pages/Devices.svelte";
import Events from "./pages/Events.svelte";
import Health from "./pages/Health.svelte";
import Quarantine from "./pages/Quarantine.svelte";
import Twins from "./pages/Twins.svelte";
import Types from "./pages/Types.svelte";
import Trends from "./trends/Trends.svelte";
import TwinPage from "./twin/TwinPage.svelte";

export interface Place {
  path: `/${string}`;
  title: Key;
  page: Component;
  /** The page of one of them, at `path/id`. */
  one?: Component<{ id: string }>;
  /** `daily`: in the header; `mine`: under Settings; the others under Administration. */
  menu: "daily" | "mine" | "sources" | "platform";
  /** In the menu only for whoever has this role; the server refuses the others anyway. */
  role?: Role;
  /** G and this letter lead there. */
  key?: string;
}

export const PLACES: readonly Place[] = [
  { path: "/", title: "nav.overview", page: Overview, menu: "daily", key: "o" },
  { path: "/twins", title: "nav.twins", page: Twins, one: TwinPage, menu: "daily", key: "t" },
  { path: "/trends", title: "trends.title", page: Trends, menu: "daily", key: "r" },
  { path: "/events", title: "nav.events", page: Events, menu: "daily", key: "e" },
  { path: "/entanglement", title: "tie.title", page: Entanglement, menu: "sources", key: "l" },
  { path: "/connect", title: "nav.connect", page: Connect, menu: "sources", role: "engineer" },
  { path: "/connectors", title: "nav.connectors", page: Connectors, menu: "sources" },
  { path: "/devices", title: "nav.devices", page: Devices, one: Device, menu: "sources" },
  { path: "/types", title: "nav.types", page: Types, one: Types, menu: "sources" },
  { path: "/quarantine", title: "nav.quarantine", page: Quarantine, menu: "sources" },
  { path: "/diagnosis", title: "nav.health", page: Health, menu: "platform", key: "h" },
  { path: "/access", title: "access.title", page: Access, one: Access, menu: "platform", role: "administrator" },
  { path: "/account", title: "account.title", page: Account, menu: "mine" },
  { path: "/backups", title: "nav.backups", page: Backups, menu: "platform", role: "administrator" },
];

export const placeOf = (pieces: readonly string[]): Place | undefined => PLACES.find(({ path }) => path === `/${pieces[0] ?? ""}`);
