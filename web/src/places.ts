/** Every page: its address, its name, where the menus have it, and who sees it there. A new page is a line here. */

import type { Component } from "svelte";

import type { Role } from "./api/model";
import Account from "./access/Account.svelte";
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

export type Pages = () => Promise<{ default: Component<{ id: string }> | Component }>;

const configuration: Pages = () => import("./configuration/Pages.svelte");
const campaigns: Pages = () => import("./campaigns/Pages.svelte");
const fleetwide: Pages = () => import("./bulletins/Pages.svelte");
const offers: Pages = () => import("./offers/Pages.svelte");

export interface Place {
  path: `/${string}`;
  title: Key;
  page?: Component;
  /** The page of one of them, at `path/id`. */
  one?: Component<{ id: string }>;
  /** Instead of both: what comes when it is asked for; it gets the id, or nothing. */
  later?: Pages;
  /** `daily`: in the header; `service`: under Service; `mine`: under Settings; `none`: reached from other pages; the others under Administration. */
  menu: "daily" | "service" | "mine" | "sources" | "platform" | "none";
  /** In the menu only for whoever has this role; the server refuses the others anyway. */
  role?: Role;
  /** G and this letter lead there. */
  key?: string;
}

export const PLACES: readonly Place[] = [
  { path: "/", title: "nav.overview", page: Overview, menu: "daily", key: "o" },
  { path: "/twins", title: "nav.twins", page: Twins, one: TwinPage, menu: "daily", key: "t" },
  { path: "/items", title: "items.title", later: configuration, menu: "daily", key: "c" },
  { path: "/parts", title: "parts.title", later: configuration, menu: "none" },
  { path: "/thread", title: "thread.title", later: configuration, menu: "none" },
  { path: "/waiting", title: "waiting.title", later: configuration, menu: "none" },
  { path: "/work", title: "nav.work", later: () => import("./work/Pages.svelte"), menu: "service", key: "w" },
  { path: "/trends", title: "trends.title", page: Trends, menu: "daily", key: "r" },
  { path: "/effectiveness", title: "nav.effectiveness", later: () => import("./effectiveness/Pages.svelte"), menu: "service", key: "f" },
  { path: "/lifetimes", title: "nav.lifetimes", later: () => import("./lifetimes/Pages.svelte"), menu: "service", key: "m" },
  { path: "/events", title: "nav.events", page: Events, menu: "daily", key: "e" },
  { path: "/entanglement", title: "tie.title", page: Entanglement, menu: "sources", key: "l" },
  { path: "/campaigns", title: "campaigns.title", later: campaigns, menu: "service", key: "u" },
  { path: "/software", title: "software.title", later: campaigns, menu: "service" },
  { path: "/fleet", title: "nav.fleet", later: fleetwide, menu: "service", key: "q" },
  { path: "/upkeep", title: "nav.upkeep", later: () => import("./upkeep/Pages.svelte"), menu: "service", key: "k" },
  { path: "/bulletins", title: "nav.bulletins", later: fleetwide, menu: "service", key: "b" },
  { path: "/offers", title: "nav.offers", later: offers, menu: "service" },
  { path: "/prospects", title: "nav.prospects", later: offers, menu: "service" },
  { path: "/connect", title: "nav.connect", later: () => import("./connect/Connect.svelte"), menu: "sources", role: "engineer" },
  { path: "/connectors", title: "nav.connectors", page: Connectors, menu: "sources" },
  { path: "/devices", title: "nav.devices", page: Devices, one: Device, menu: "sources" },
  { path: "/types", title: "nav.types", page: Types, one: Types, menu: "sources" },
  { path: "/quarantine", title: "nav.quarantine", page: Quarantine, menu: "sources" },
  { path: "/diagnosis", title: "nav.health", page: Health, menu: "platform", key: "h" },
  { path: "/access", title: "access.title", later: () => import("./access/Access.svelte"), menu: "platform", role: "administrator" },
  { path: "/account", title: "account.title", page: Account, menu: "mine" },
  { path: "/backups", title: "nav.backups", later: () => import("./backups/Backups.svelte"), menu: "platform", role: "administrator" },
];

export const placeOf = (pieces: readonly string[]): Place | undefined => PLACES.find(({ path }) => path === `/${pieces[0] ?? ""}`);
