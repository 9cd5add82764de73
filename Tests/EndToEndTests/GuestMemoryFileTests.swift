// Guest memory in a file, with a real passt on its rings: the guest's bytes are there, and whatever becomes of the file,
// netemu ends in order.

import Glibc
import TestSupport
import Testing

@Suite("guest memory in a file", .serialized)
struct GuestMemoryFileTests {
    private static let size = 32 << 20

    private static func words(_ path: String, _ more: String = "") -> [String] {
        [
            "-object", "memory-backend-file,id=m,size=32M,share=on,mem-path=\(path)\(more)", "-machine",
            "memory-backend=m",
        ]
    }

    private func bytes(of path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: Self.size + 1)
        let count = fread(&bytes, 1, bytes.count, file)
        return Array(bytes[..<count])
    }

    private func isFound(_ text: String, in path: String, _ ground: Ground) throws -> Bool {
        try ground.namespace.run(["grep", "-qaF", text, path]).status == .exited(0)
    }

    @Test(
        "passt works on rings in it, in the sandbox, too, and what the guest says is in the file",
        arguments: [false, true])
    func transfer(isConfined: Bool) throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/ram"
            let session = try ground.session(more: Self.words(path) + (isConfined ? ["-sandbox", "on"] : []))
            try session.waitForLease()
            let count = 20_000_000
            let done = try session.run(
                "curl -sSf --sha256 -o /dev/null http://\(gateway):8080/bytes/\(count)", seconds: 60)
            #expect(done.status == 0, "\(done.output)")
            #expect(try session.run("curl -s http://\(gateway):8080/").status == 0)
            #expect(bytes(of: path).count == Self.size)
            #expect(try isFound("GET / HTTP/1.1", in: path, ground))
            #expect(try isFound("Content-Type: text/plain", in: path, ground))
            // Somebody else's netemu does not get it.
            let second = try ground.start(["-nic", "none"] + Self.words(path))
            #expect(try second.wait() == .exited(1))
            #expect(
                second.errors.hasPrefix("netemu: \(path) is guest memory already\n"), "\(second.errors)")
            #expect(try session.run("ping -c 1 \(gateway)").status == 0)
            session.child.write("quit\n")
            #expect(try session.child.wait(seconds: 20) == .exited(0), "\(session.child.transcript)")
            #expect(try isFound("GET / HTTP/1.1", in: path, ground), "it stays at the end")
        }
    }

    @Test("a directory, a part of a file, POSIX shared memory, and what a file begins with: passt works in each")
    func places() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path
            let file = fopen(path + "/long", "w")
            #expect(ftruncate(fileno(file), off_t(Self.size + 8192)) == 0)
            fclose(file)
            let objects = [
                "memory-backend-file,mem-path=\(path)/,prealloc=on", "memory-backend-shm,dump=off",
                "memory-backend-file,mem-path=\(path)/long,offset=8k,align=2M,discard-data=on",
            ]
            for object in objects {
                let session = try ground.session(
                    more: ["-object", object + ",id=m,size=32M,share=on", "-numa", "node,memdev=m", "-m", "32"])
                try session.waitForLease()
                let done = try session.run("curl -sSf -o /dev/null http://\(gateway):8080/bytes/1000000")
                #expect(done.status == 0, "\(object): \(done.output)")
                if object.contains("long") { #expect(try isFound("GET /bytes", in: path + "/long", ground)) }
                session.child.write("quit\n")
                #expect(try session.child.wait(seconds: 20) == .exited(0), "\(session.child.transcript)")
            }
            let left = bytes(of: path + "/long")
            #expect(!left.isEmpty && left.allSatisfy { $0 == 0 })
            #expect(ground.directory.entries.filter { !$0.hasPrefix("console") } == ["long"])
        }
    }

    @Test("two objects one behind the other are guest memory, of different kinds")
    func twoObjects() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/ram"
            let session = try ground.session(
                more: [
                    "-m", "64", "-object", "memory-backend-file,id=a,size=32M,share=on,mem-path=\(path)", "-object",
                    "memory-backend-memfd,id=b,size=32M", "-numa", "node,memdev=b", "-numa", "node,memdev=a",
                ])
            try session.waitForLease()
            let done = try session.run(
                "curl -sSf --sha256 -o /dev/null http://\(gateway):8080/bytes/20000000", seconds: 60)
            #expect(done.status == 0, "\(done.output)")
            #expect(try session.monitor("info memory_size_summary").contains("base memory: 67108864\n"))
        }
    }

    @Test("memory that is not shared is handed to no back-end on rings, later either")
    func notShared() throws {
        try withGround(as: .mapped) { ground in
            let object = ["-object", "memory-backend-ram,id=m,size=32M", "-machine", "memory-backend=m"]
            let session = try ground.session(words: ["-nic", "passt,path={passt}"] + object)
            try session.waitForLease()
            let done = try session.run("curl -sSf -o /dev/null http://\(gateway):8080/bytes/1000000")
            #expect(done.status == 0, "\(done.output)")
            #expect(try !session.monitor("netdev_add passt,id=v,vhost-user=on,path=\(ground.passt)").contains("Error"))
            let answer = try session.monitor("device_add virtio-net-pci,netdev=v,id=d", seconds: 20)
            #expect(
                answer.contains("Error: vhost-user needs guest memory that can be shared (share=on)"), "\(answer)")
            #expect(try session.run("ping -c 1 \(gateway)").status == 0)
        }
    }

    @Test("a file that is cut while netemu runs ends it in order, with a word about it", arguments: [true, false])
    func cut(onRings: Bool) throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/ram"
            let nic = "passt,path={passt}" + (onRings ? ",vhost-user=on" : "")
            let session = try ground.session(words: ["-nic", nic, "-sandbox", "on"] + Self.words(path))
            try session.waitForLease()
            #expect(truncate(path, 4096) == 0)
            session.console.write("ping -c 1 \(gateway)\n")
            #expect(try session.child.wait(seconds: 20) == .exited(1), "\(session.child.transcript)")
            let said = "netemu: guest memory in \(path) is lost: somebody cut the file, or its file system is full\n"
            #expect(session.child.errors.contains(said), "\(session.child.errors)")
            #expect(eventually { ground.leftovers == [] })
        }
    }

    @Test("a back-end that dies of a file that was cut is not to blame: of it nothing is said")
    func diesOfMemory() throws {
        try withGround(as: .mapped) { ground in
            let path = ground.directory.path + "/ram"
            let session = try ground.session(
                words: ["-nic", "passt,path={passt},vhost-user=on", "-sandbox", "on"] + Self.words(path))
            try session.waitForLease()
            let passt = try #require(try session.passtPID())
            #expect(truncate(path, 4096) == 0)
            kill(passt, SIGBUS)
            #expect(try session.child.wait(seconds: 20) == .exited(1), "\(session.child.transcript)")
            let said = "netemu: guest memory in \(path) is lost: somebody cut the file, or its file system is full\n"
            // The node may notice its rings before that.
            let errors = session.child.errors
            #expect(errors.contains(said) && !errors.contains("passt") && !errors.contains("Passt"), "\(errors)")
            #expect(eventually { ground.leftovers == [] })
        }
    }

    @Test("nothing that netemu or its guest writes goes into the file that is guest memory")
    func outputs() throws {
        try withGround(as: .mapped) { ground in
            func run(_ line: String) throws -> Child {
                try ground.shell("\(line) -m 32 \(Self.words("ram").joined(separator: " "))")
            }
            let capture = try run("netemu -netdev hubport,id=n,hubid=0 -object filter-dump,id=f,netdev=n,file=ram")
            #expect(capture.errors.contains("Could not open 'ram': Device or resource busy"), "\(capture.transcript)")
            #expect(capture.status == .exited(1))
            for (redirection, name) in [
                ("", "netemu's log (-D)"), (">ram", "standard output"), ("2>ram", "standard error"),
            ] {
                let log = redirection.isEmpty ? "-D ram" : redirection
                let child = try ground.shell(
                    "rm -f ram; ln -sf ram link; netemu -nic none -m 32 \(Self.words("link").joined(separator: " ")) \(log); "
                        + "c=$?; cat ram >&2; rm ram; exit $c")
                let said = "netemu: link cannot be guest memory: \(name) goes there\nChoose another file\n"
                #expect(child.errors == said && child.status == .exited(1), "\(child.transcript)")
            }
            // The node's own tools write to the host, too.
            let curl = try run("netemu -nic passt,path=$PASST -guest node,run='curl -s -o ram http://\(gateway):8080/'")
            #expect(curl.status == .exited(23), "\(curl.transcript)")
        }
    }

    @Test("a file system without room: told at the start; with reserve=off it ends netemu when the room is used up")
    func full() throws {
        try withGround(as: .mapped) { ground in
            let place = ground.directory.path + "/small"
            mkdir(place, 0o755)
            let program = try Peers.built("netemu").require()
            func run(_ more: String, _ task: String) throws -> Child {
                let words = [
                    program, "-nic", "passt,path=\(ground.passt)", "-guest", "node,run=\(task)",
                ]
                let mount = "mount -t tmpfs -o size=4m none small && \"$@\"; c=$?; ls small; exit $c"
                return try ground.namespace.start(
                    ["unshare", "-m", "sh", "-c", mount, "sh"] + words + Self.words(place + "/ram", more),
                    directory: ground.directory.path, environment: ["XDG_RUNTIME_DIR": ground.runtime])
            }
            let refused = try run("", "true")
            #expect(try refused.wait(seconds: 20) == .exited(125), "\(refused.transcript)")
            let said = "netemu: \(place)/ram has no room for 32M of guest memory: No space left on device\n"
            #expect(refused.errors.hasPrefix(said), "\(refused.errors)")
            #expect(refused.output == "")
            let late = try run(",reserve=off,prealloc=on", "true")
            #expect(try late.wait(seconds: 20) == .exited(125), "\(late.transcript)")
            #expect(late.errors.hasPrefix(said) && late.errors.contains("reserve=off,prealloc=off"), "\(late.errors)")
            #expect(late.output == "", "no file is left")
            let ended = try run(",reserve=off", "curl -s -o /dev/null http://\(gateway):8080/bytes/50000000")
            #expect(try ended.wait(seconds: 60) == .exited(125), "\(ended.transcript)")
            #expect(ended.errors.contains("guest memory in \(place)/ram is lost: "), "\(ended.errors)")
            #expect(eventually { ground.leftovers == [] })
        }
    }
}
