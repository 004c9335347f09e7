// What is proven on a server whose store answers late. In one file, as to load the server's parts takes longer than a small run of each.
import "./switch-over.suite.js";
import "./retention.suite.js";
import "./removal.suite.js";
