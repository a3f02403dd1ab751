/// The page of `swiftlet web`: everything in one text, nothing from elsewhere.
enum InspectionPage {
    /// Scripts and styles of the page itself only; requests to its own server only.
    static let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'"

    static let html = #"""
        <!doctype html>
        <html lang="en"><head><meta charset="utf-8"><title>swiftlet</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <style>
        :root { color-scheme: light dark; --line: #8884; --soft: #8882; --bad: #c0392b; --good: #2e8b57; }
        [hidden] { display: none; }
        body { font: 14px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 1400px; padding: 1rem; }
        h1 { font-size: 1.2rem; margin: 0 0 .5rem; } h2 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
        .finding { border-left: 4px solid var(--bad); background: var(--soft); padding: .5rem .8rem; margin: .4rem 0; white-space: pre-wrap; }
        .loops { display: flex; flex-wrap: wrap; gap: .6rem; }
        .loop { border: 1px solid var(--line); border-radius: 6px; padding: .5rem .8rem; min-width: min(22rem, 100%); box-sizing: border-box; flex: 1; }
        .bar { height: 6px; background: var(--soft); border-radius: 3px; margin: .3rem 0; } .bar i { display: block; height: 100%; background: var(--good); border-radius: 3px; }
        .bar.busy i { background: var(--bad); }
        small { opacity: .75; } table { border-collapse: collapse; width: 100%; }
        th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
        td.w { white-space: nowrap; }
        th { cursor: pointer; user-select: none; white-space: nowrap; } td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
        tr.c:hover { background: var(--soft); cursor: pointer; } tr.dead td { color: var(--bad); }
        pre { margin: .2rem 0 .6rem; padding: .5rem; background: var(--soft); white-space: pre-wrap; overflow-wrap: anywhere; font-size: 12px; }
        main.old { opacity: .5; }
        .tools { display: flex; gap: .6rem; align-items: center; margin: .6rem 0; flex-wrap: wrap; } input[type=search] { flex: 1; min-width: 12rem; padding: .3rem; }
        @media (max-width: 800px) { #head th:nth-child(4), #head th:nth-child(6), #head th:nth-child(9), tr.c td:nth-child(4), tr.c td:nth-child(6), tr.c td:nth-child(9) { display: none; } }
        </style></head><body>
        <h1 id="title">…</h1><div id="notice"></div><main id="main" hidden><div id="findings"></div><h2>Loops</h2><div class="loops" id="loops"></div>
        <h2>Coroutines</h2><div class="tools"><input type="search" id="filter" placeholder="filter: name, state, place, wait">
        <label><input type="checkbox" id="tree"> tree</label><label><input type="checkbox" id="pause"> pause</label><small id="count"></small><small id="still"></small></div>
        <table><thead><tr id="head"></tr></thead><tbody id="rows"></tbody></table>
        <h2>Descriptors</h2><table><tbody id="descriptors"></tbody></table>
        <h2>Pools</h2><table><tbody id="metrics"></tbody></table><h2>Reports</h2><div id="reports"></div></main>
        <script>
        "use strict";
        const $ = id => document.getElementById(id), most = 500;
        const key = new URLSearchParams(location.search).get("key");
        const columns = [["number", "ID"], ["kind", "Kind"], ["state", "State"], ["age_ns", "Age"], ["wait_ns", "Waits"], ["ran_ns", "Ran"], ["name", "Name"], ["wait", "For"], ["stack_used", "Stack"]];
        const numeric = new Set(["number", "age_ns", "wait_ns", "ran_ns", "stack_used"]);
        let data = null, seen = null, sort = "wait_ns", down = true, open = new Set();
        // As Wording.time: cut off, not rounded, and nothing below zero.
        const time = n => { if (n === undefined) return ""; n = Math.max(0, n); const tenths = unit => (Math.trunc(n / (unit / 10)) / 10).toFixed(1), whole = unit => Math.trunc(n / unit);
          return n < 1e6 ? whole(1e3) + " us" : n < 1e7 ? tenths(1e6) + " ms" : n < 1e9 ? whole(1e6) + " ms" : n < 1e11 ? tenths(1e9) + " s" : n < 6e12 ? whole(6e10) + " min" : whole(3.6e12) + " h"; };
        const grouped = n => n.toLocaleString("en"), count = (n, noun) => `${grouped(n)} ${noun}${n === 1 ? "" : "s"}`;
        // An address is used again.
        const reference = c => [c.id, c.kind, c.loop, c.number].join();
        const cell = (text, kind) => { const td = document.createElement("td"); td.textContent = text; if (kind) td.className = kind; return td; };
        const block = (tag, text, kind) => { const e = document.createElement(tag); e.textContent = text; if (kind) e.className = kind; return e; };
        const words = c => [c.kind, c.state, c.name, c.origin, c.wait, c.scope].join(" ").toLowerCase();
        for (const [name, title] of columns) { const th = block("th", title, numeric.has(name) ? "n" : ""); th.onclick = () => { down = sort === name ? !down : true; sort = name; draw(); }; $("head").append(th); }
        function ordered(list) { return [...list].sort((a, b) => { const x = a[sort] ?? -1, y = b[sort] ?? -1; return (x < y ? 1 : x > y ? -1 : 0) * (down ? 1 : -1); }); }
        function treeOrder(list) {
          const known = new Set(list.map(c => c.id)), below = new Map(), result = [];
          for (const c of list) { const p = known.has(c.parent) ? c.parent : ""; if (!below.has(p)) below.set(p, []); below.get(p).push(c); }
          const path = (below.get("") ?? []).map(c => [c, 0]).reverse();
          while (path.length) { const [c, depth] = path.pop(); result.push([c, depth]); for (const k of [...(below.get(c.id) ?? [])].reverse()) path.push([k, depth + 1]); }
          return result;
        }
        // What was shown stays, and is told to be old.
        function fail(message, process) {
          if (!data) $("title").textContent = document.title = process ?? "swiftlet";
          $("notice").replaceChildren(block("div", message + (data ? ` What stands below is of ${seen.toLocaleTimeString()}.` : ""), "finding"));
          $("main").className = "old";
        }
        function draw() {
          if (!data) return;
          $("title").textContent = `${data.name} (process ${data.pid}): ${count(data.loops.length, "loop")}, ${count(data.coroutines.length, "coroutine")}, ${grouped(data.open_descriptors)} of ${grouped(data.descriptor_limit)} descriptors, ${Math.round(data.resident_kb / 1024)} MB`;
          document.title = `swiftlet ${data.pid} ${data.name}`;
          $("findings").replaceChildren(...data.findings.map(f => { const d = block("div", f.text, "finding"); if (f.stack.length) d.append(block("pre", f.stack.join("\n"))); return d; }));
          $("loops").replaceChildren(...data.loops.map(l => {
            const d = block("div", "", "loop"); d.append(block("b", `${l.thread_name} (thread ${l.thread}) `), block("span", l.state));
            const bar = block("div", "", l.stuck_ns ? "bar busy" : "bar"), i = document.createElement("i"); i.style.width = l.stuck_ns ? "100%" : (l.busy_permille ?? 0) / 10 + "%"; bar.append(i); d.append(bar);
            d.append(block("small", `busy ${((l.busy_permille ?? 0) / 10).toFixed(1)} % · ${l.ready} ready · delay 50 % ${time(l.delay_ns?.p50) || "-"}, 99 % ${time(l.delay_ns?.p99) || "-"} · ${count(l.turns, "turn")} · ${count(l.parks, "park")} · ${count(l.hops, "hop")} · ${count(l.timers, "timer")}`));
            return d; }));
          const wanted = $("filter").value.toLowerCase(), list = data.coroutines.filter(c => !wanted || words(c).includes(wanted));
          const rows = $("tree").checked ? treeOrder(list) : ordered(list).map(c => [c, 0]);
          $("count").textContent = rows.length > most ? `${most} of ${rows.length.toLocaleString("en")} shown` : `${rows.length.toLocaleString("en")} shown`;
          const body = [];
          for (const [c, depth] of rows.slice(0, most)) {
            const tr = document.createElement("tr"); tr.className = c.cycle === undefined ? "c" : "c dead";
            const name = cell(c.name); name.style.paddingLeft = depth * 1.2 + "rem"; name.title = c.origin ?? "";
            tr.append(cell(c.number ?? "", "n"), cell(c.kind, "w"), cell(c.state, "w"), cell((c.older && c.age_ns !== undefined ? ">" : "") + time(c.age_ns), "n"), cell((c.wait_older ? ">" : "") + time(c.wait_ns), "n"), cell(time(c.ran_ns), "n"), name,
              cell([c.wait, c.deadline_ns === undefined ? "" : `at most ${time(c.deadline_ns)} more`].filter(Boolean).join(", ") + (c.cycle === undefined ? "" : "  [deadlock]")), cell(c.stack_used ? `${grouped(c.stack_used)} B` : "", "n"));
            tr.onclick = () => { if (selects()) return; const r = reference(c); open.has(r) ? open.delete(r) : open.add(r); draw(); };
            body.push(tr);
            if (open.has(reference(c))) {
              const more = document.createElement("tr"), td = cell(""); td.colSpan = columns.length;
              td.append(block("small", `spawned at ${c.origin ?? "-"}${c.scope ? ` · in the scope of ${c.scope}` : ""} · stack ${count(c.stack_used, "byte")}, ${c.stack_touched >> 10} of ${c.stack_size >> 10} KB touched`), block("pre", (data.stacks[c.stack] ?? ["no backtrace"]).join("\n")));
              more.append(td); body.push(more);
            }
          }
          $("rows").replaceChildren(...body);
          const table = (id, list) => $(id).replaceChildren(...list.map(cells => { const tr = document.createElement("tr"); tr.append(...cells); return tr; }));
          table("descriptors", data.descriptors.map(d => { const what = cell(d.description); if (d.stack !== undefined) what.append(block("pre", "made at\n" + data.stacks[d.stack].slice(0, 8).join("\n"))); return [cell(grouped(d.count), "n"), what]; }));
          table("metrics", Object.entries(data.metrics).map(([name, value]) => [cell(name), cell(value)]));
          $("reports").replaceChildren(...data.reports.map(r => block("pre", `${time(r.age_ns)} ago: ${r.kind}: ${r.message}`)));
        }
        // A selection would be lost with the rows that it is in.
        const selects = () => { const selection = getSelection(); return !selection.isCollapsed && $("main").contains(selection.anchorNode); };
        async function look() {
          if (!$("pause").checked && !selects()) {
            let answer;
            try { answer = await (await fetch("snapshot?key=" + encodeURIComponent(key))).json(); } catch (error) { answer = { error: `swiftlet web has ended, or does not answer: ${error.message}.` }; }
            if (answer.error) fail(answer.error, answer.process);
            else if (!selects()) { data = answer; seen = new Date(); $("notice").replaceChildren(); $("main").hidden = false; $("main").className = ""; draw(); }
          }
          $("still").textContent = selects() ? "waits while text is selected" : "";
          setTimeout(look, 1000);
        }
        for (const id of ["filter", "tree"]) $(id).addEventListener("input", draw);
        look();
        </script></body></html>
        """#
}
