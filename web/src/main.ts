import { mount } from "svelte";

import "uplot/dist/uPlot.min.css";
import "./app.css";
import { router } from "./app/router.svelte";
import { session } from "./app/session.svelte";
import App from "./App.svelte";

router.start();
void session.start();
const target = document.getElementById("app")!;
target.replaceChildren();
mount(App, { target });
