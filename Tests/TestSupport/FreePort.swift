// A TCP port for a server of a test.

import Linux

/// A TCP port of 127.0.0.1 that was free a moment ago, below those that the kernel gives to clients: one of theirs was
/// taken by a connection before the server of a test came back to it.
public func freePort() throws -> UInt16 {
    for _ in 0..<100 {
        let name = InternetName(host: "127.0.0.1", port: "\(UInt16.random(in: 20_000..<32_000))")
        guard let found = NameLookup.numeric(name, isPassive: true) else { continue }
        if let socket = try? InternetSocket.listen(at: found, name) {
            return try InternetSocketAddress.local(of: socket.raw).port
        }
    }
    throw TestFailure(description: "no port from 20000 to 31999 is free")
}
