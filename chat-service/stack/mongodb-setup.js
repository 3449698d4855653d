// Makes of a new MongoDB the replica set rs0 and gives it the service's user. Run again, it changes the password only.
const admin = connect(cat("/secrets/uri"));

try {
  admin.adminCommand({
    replSetInitiate: { _id: "rs0", members: [{ _id: 0, host: "mongodb:27017" }] },
  });
  print("The replica set is made.");
} catch (problem) {
  if (problem.codeName !== "AlreadyInitialized") throw problem;
}

for (let tries = 0; !admin.adminCommand({ hello: 1 }).isWritablePrimary; tries += 1) {
  if (tries > 240) throw new Error("MongoDB did not become primary within two minutes.");
  sleep(500);
}

// Nothing but its own database: the service needs no other.
const user = { pwd: cat("/secrets/chat"), roles: [{ role: "readWrite", db: "chat" }] };
const known = admin.adminCommand({ usersInfo: "chat" }).users.length > 0;
admin.adminCommand(Object.assign(known ? { updateUser: "chat" } : { createUser: "chat" }, user));
print("MongoDB is ready for the service.");
