// Starts CouchbaseMock in the Rhino shell that its own jar carries:
//   java -cp CouchbaseMock.jar org.mozilla.javascript.tools.shell.Main couchbase_mock.js NODES REPLICAS VBUCKETS
//
// Its command line lets the system choose the key-value ports, so a server that is started again would be somewhere
// else. Its classes take them. Orders are lines on stdin, each answered by one line on stdout:
//   listen PORT REVISION start the server for the mock's commands; 0 is a free port. Answers the port. Clients take no
//                        map of a lower revision than theirs, so one that is started again needs a higher one
//   create NAME PORT     make a bucket whose nodes listen on PORT, PORT + 1, ...; 0 is free ports
//   remove NAME          take a bucket and its ports away
//   failover NAME NODE   take a node out; a replica becomes active for each part that it held
//   respawn NAME NODE    put it back, empty, and move its share of the documents to it
// The mock's own failover and respawn deal the parts out anew and leave the documents where they were, which loses
// most of them. A cluster does not, so the map is changed here. Commands on a node take no lock that would keep them
// from coming in between.
// The end of stdin ends the process: nothing outlives the test that started it.
var mock = Packages.com.couchbase.mock;
var nodes = java.lang.Integer.parseInt(arguments[0]);
var replicas = java.lang.Integer.parseInt(arguments[1]);
var vbuckets = java.lang.Integer.parseInt(arguments[2]);
var server = null;
var LOOK_EVERY_MS = 20;
var UNDER_WAY_MS = 20; // a command takes less

function configuration(name, port) {
  var made = new mock.BucketConfiguration();
  made.numNodes = nodes;
  made.numReplicas = replicas;
  made.numVBuckets = vbuckets;
  made.type = mock.Bucket.BucketType.COUCHBASE;
  made.hostname = "127.0.0.1";
  made.name = name;
  made.password = "secret"; // asked for over HTTP only, with the name as the user
  made.bucketStartPort = port;
  return made;
}

function hidden(of, name) {
  var field = java.lang.Class.forName(of).getDeclaredField(name);
  field.setAccessible(true);
  return field;
}

function changeMap(name, node, change) {
  var bucket = server.getBuckets().get(name);
  var lock = hidden("com.couchbase.mock.Bucket", "configurationRwLock").get(bucket).writeLock();
  lock.lock();
  try {
    change(bucket, bucket.getServers()[java.lang.Integer.parseInt(node)]);
    mock.Info.incrementConfigRevision();
  } finally {
    lock.unlock();
  }
  return node;
}

function setReplicas(part, nodes) {
  var list = new java.util.ArrayList();
  nodes.forEach(function (node) { list.add(node); });
  part.setReplicas(list);
}

function others(part, node) {
  return part.getAllServers().toArray().filter(function (each) { return !each.equals(node); });
}

function takeOut(bucket, node) {
  node.shutdown();
  bucket.getVBucketInfo().forEach(function (part) {
    var left = others(part, node);
    part.setOwner(left.length ? left[0] : bucket.activeServers().get(0)); // without a replica it is lost
    setReplicas(part, left.slice(1));
  });
}

// People write meanwhile: first it is a replica that what is written now comes to, then it gets what was there, then it
// answers. What was under way to the former owner in that moment follows.
function putBack(bucket, node) {
  var parts = bucket.getVBucketInfo();
  node.flushNode();
  var isTaken = parts.map(function (part) {
    var isShort = others(part, node).length <= replicas;
    if (isShort) setReplicas(part, part.getReplicas().toArray().concat([node]));
    return isShort;
  });
  var stored = bucket.getMasterItems(mock.memcached.Storage.StorageType.CACHE);
  giveMissing(node, stored, function (number) { return isTaken[number]; });
  node.startup();
  var isOwn = parts.map(function (part, number) {
    var isMoved = isTaken[number] && bucket.getServers()[number % nodes].equals(node);
    if (isMoved) {
      var holders = others(part, node);
      part.setOwner(node);
      setReplicas(part, holders);
    }
    return isMoved;
  });
  java.lang.Thread.sleep(UNDER_WAY_MS);
  bucket.getServers().filter(function (each) { return !each.equals(node); }).forEach(function (each) {
    var stored = hidden("com.couchbase.mock.memcached.Storage", "cacheStore").get(each.getStorage()).getMap().values();
    giveMissing(node, stored, function (number) { return isOwn[number]; });
  });
}

function giveMissing(node, documents, isWanted) {
  var each = documents.iterator();
  while (each.hasNext()) {
    var document = each.next();
    var spec = document.getKeySpec();
    if (isWanted(spec.vbId) && node.getStorage().getCached(spec) === null) {
      node.getStorage().putCached(new mock.memcached.Item(document));
    }
  }
}

function method(of, name) {
  var types = Array.prototype.slice.call(arguments, 2).map(function (type) { return java.lang.Class.forName(type); });
  return java.lang.Class.forName("java.nio.channels." + of).getMethod(name, types);
}

// The mock turns Nagle's algorithm on, so that all but the first answers of a batch wait for an acknowledgement, up to
// 40 ms; a cluster's nodes do not. There is no place to tell it, so its connections are looked after. They are of
// classes that only the JDK may name: by reflection their methods can be called.
function answerAtOnce() {
  var selectorOf = hidden("com.couchbase.mock.memcached.MemcachedServer", "selector");
  var keysOf = method("Selector", "keys");
  var channelOf = method("SelectionKey", "channel");
  var setOption = method("SocketChannel", "setOption", "java.net.SocketOption", "java.lang.Object");
  while (true) {
    java.lang.Thread.sleep(LOOK_EVERY_MS);
    new java.util.ArrayList(server.getBuckets().values()).toArray().forEach(function (bucket) {
      bucket.activeServers().toArray().forEach(function (node) {
        try {
          new java.util.ArrayList(keysOf.invoke(selectorOf.get(node))).toArray().forEach(function (key) {
            var channel = channelOf.invoke(key);
            if (channel instanceof java.nio.channels.SocketChannel) {
              setOption.invoke(channel, java.net.StandardSocketOptions.TCP_NODELAY, java.lang.Boolean.TRUE);
            }
          });
        } catch (gone) {
          // it failed over, or hung up, meanwhile
        }
      });
    });
  }
}

var orders = {
  listen: function (port, revision) {
    // what --cccp sets: clients read the cluster's map from a key-value port
    hidden("com.couchbase.mock.CouchbaseMock", "cccpBootstrap").setBoolean(null, true);
    hidden("com.couchbase.mock.Info", "configRevision").get(null).set(java.lang.Integer.parseInt(revision));
    server = new mock.CouchbaseMock(java.lang.Integer.parseInt(port), new java.util.ArrayList());
    server.start();
    spawn(answerAtOnce);
    return server.getHttpPort();
  },
  create: function (name, port) {
    server.createBucket(configuration(name, java.lang.Integer.parseInt(port)));
    return name;
  },
  remove: function (name) {
    server.removeBucket(name);
    return name;
  },
  failover: function (name, node) {
    return changeMap(name, node, takeOut);
  },
  respawn: function (name, node) {
    return changeMap(name, node, putBack);
  }
};

var input = new java.io.BufferedReader(new java.io.InputStreamReader(java.lang.System["in"]));
var line;
while ((line = input.readLine()) !== null) {
  var words = String(line).split(" ");
  try {
    print("ok " + orders[words[0]].apply(null, words.slice(1)));
  } catch (fault) {
    print("failed " + String(fault).replace(/\s+/g, " "));
  }
}
java.lang.System.exit(0);
