import { mount } from "svelte";

import "uplot/dist/uPlot.min.css";
import "./app.css";
import { router } from "./app/router.svelte";
import { session } from "./app/session.svelte";
import App from "./App.svelte";

router.start();
void session.start();
mount(App, { target: document.getElementById("app")! });
