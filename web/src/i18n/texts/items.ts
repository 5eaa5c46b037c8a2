/** What other pages tell of items, parts, the thread and what waits to be sent. */

import type { Texts } from "./languages";

export default {
  "items.title": { en: "Configuration", de: "Konfiguration" },
  "items.item": { en: "Item", de: "Teil" },
  "items.view.parts": { en: "Consists of", de: "Besteht aus" },
  "items.view.forms": { en: "Forms", de: "Formulare" },
  "items.view.life": { en: "Life", de: "Leben" },
  "item.serial": { en: "Serial number", de: "Seriennummer" },
  "item.revision.short": { en: "rev. {revision}", de: "Rev. {revision}" },
  "parts.title": { en: "Parts", de: "Teilenummern" },
  "waiting.title": { en: "Waiting to be sent", de: "Wartet aufs Senden" },
  "waiting.count": { en: "{count} waiting to be sent", de: "{count} warten aufs Senden" },
  "waiting.conflicts": { en: "{count} not taken", de: "{count} nicht angenommen" },
  "thread.title": { en: "Thread", de: "Digitaler Faden" },
} satisfies Texts;
