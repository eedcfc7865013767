// mdBook takes every link to a .md for a page of the book. Those that lead out of it, to results and other documents, are files.
for (const link of document.querySelectorAll('main a[href^="../"]')) {
  link.href = link.getAttribute("href").replace(/\.html(?=#|$)/, ".md");
}
