// -m, -object memory-backend-* and -machine memory-backend=: what libvirt writes, with QEMU 11.1's texts.

import Glibc
import Linux
import TestSupport
import Testing
import Virtio

@testable import NetEmu

@Suite("memory as libvirt writes it")
struct MemoryOptionTests {
    @Test(
        "each memory backend with each of its keys",
        arguments: [
            "memory-backend-ram,id=m,size=128M,share=on,prealloc=off,merge=off,dump=off,reserve=on,prealloc-threads=1",
            "memory-backend-ram,id=m,size=128M,policy=bind,host-nodes=0-3,x-use-canonical-path-for-ramblock-id=off",
            #"{"qom-type":"memory-backend-ram","id":"m","size":134217728,"host-nodes":[0,1],"policy":"bind"}"#,
            "memory-backend-file,id=m,size=128M,mem-path=/dev/shm/x,share=on,discard-data=on,align=4096,offset=0,rom=auto",
            "memory-backend-file,id=m,size=128M,mem-path=/dev/shm/x,share=yes,pmem=off,readonly=off",
            "memory-backend-shm,id=m,size=128M",
            "memory-backend-memfd,id=m,size=128M,seal=off,hugetlb=on,hugetlbsize=2M",
        ])
    func backends(_ object: String) throws {
        let words = ["-nic", "none", "-m", "128", "-object", object, "-machine", "q35,memory-backend=m"]
        #expect(try CommandLineTests.build(words: words).memory.backends.map(\.id) == ["m"])
    }

    @Test("at QEMU's defaults nothing is said, elsewhere that netemu's memory is its own")
    func warnings() throws {
        func warned(_ keys: String) throws -> Int {
            try CommandLineTests.build("-nodefaults -object memory-backend-memfd,id=m,size=1M,\(keys)").warnings.count
        }
        #expect(try warned("prealloc=off,hugetlb=off,merge=on,dump=on,reserve=on,seal=on,policy=default") == 0)
        #expect(try warned("prealloc=on,merge=off,dump=off") == 0)
        #expect(try warned("policy=bind,host-nodes=0,hugetlb=on,reserve=off") == 4)
    }

    @Test("a file that the guest does not write to is not emptied, and that is said once")
    func notDiscarded() throws {
        func warnings(_ keys: String) throws -> [String] {
            try CommandLineTests.build(
                "-nodefaults -object memory-backend-file,id=m,size=1M,mem-path=/x,discard-data=on\(keys)"
            ).warnings.map(\.text)
        }
        let said = ["discard-data=on of 'm' has no effect: the guest writes nothing to that file"]
        #expect(try warnings(",share=on") == [])
        #expect(try warnings("") == said && warnings(",share=on,readonly=on") == said)
        #expect(try warnings(",discard-data=off") == [])
    }

    @Test(
        "what cannot be",
        arguments: [
            ("memory-backend-ram,id=m", "Parameter 'size' is missing"),
            ("memory-backend-ram,id=m,size=1M,mem-path=/x", "Invalid parameter 'mem-path'"),
            ("memory-backend-ram,id=m,size=1M,policy=foo", "Parameter 'policy' does not accept value 'foo'"),
            (
                "memory-backend-ram,id=m,size=1M,prealloc-threads=abc",
                "Parameter 'prealloc-threads' expects a uint64 value"
            ),
            (
                "memory-backend-ram,id=m,size=1M,host-nodes=abc",
                "Parameter 'host-nodes' expects a uint64 value or range"
            ),
            ("memory-backend-ram,id=m,size=-1", "Parameter 'size' expects a size value"),
            ("memory-backend-file,id=m,size=1M", "Parameter 'mem-path' is missing"),
            ("memory-backend-file,id=m,size=1M,mem-path=/x,rom=foo", "Parameter 'rom' does not accept value 'foo'"),
            ("memory-backend-shm,id=m,size=1M,share=on,seal=on", "Invalid parameter 'seal'"),
            (
                #"{"qom-type":"memory-backend-ram","id":"m","size":1048576,"host-nodes":0}"#,
                "Invalid parameter type for 'host-nodes', expected: array"
            ),
            (#"{"qom-type":"memory-backend-ram","id":"m","size":"1M"}"#, "Parameter 'size' expects uint64"),
            (
                "memory-backend-file,id=m,size=1M,mem-path=/x,pmem=on",
                "pmem=on is not supported yet\nWhat works today: pmem=off"
            ),
            ("monitor-hmp,id=m", "Parameter 'chardev' is missing"),
            ("monitor-hmp,chardev=c", "Parameter 'id' is missing"),
            ("monitor-hmp,id=m,chardev=c,bogus=1", "Invalid parameter 'bogus'"),
        ])
    func refused(_ object: String, _ text: String) {
        #expect(
            ObstacleTests.refused(["-nodefaults", "-object", object]).first == "netemu: -object \(object): \(text)")
    }

    @Test(
        "what QEMU tells without the option",
        arguments: [
            ("-object memory-backend-ram,id=m,size=0", "property 'size' of memory-backend-ram doesn't take value '0'"),
            ("-object memory-backend-shm,id=m,size=1M,share=off", "can't create shm backend with `share=off`"),
            (
                "-object memory-backend-ram,id=m,size=1M,prealloc-threads=0",
                "property 'prealloc-threads' of memory-backend-ram doesn't take value '0'"
            ),
            (
                "-object memory-backend-file,id=m,size=100,mem-path=/x",
                "backend 'memory-backend-file' memory size must be multiple of 4 KiB"
            ),
            (
                "-object memory-backend-file,id=m,size=1M,mem-path=/x,offset=3k",
                "offset 0xc00 must be multiples of page size 0x1000"
            ),
            (
                "-object memory-backend-file,id=m,size=1M,mem-path=/x,align=3",
                "alignment 0x3 must be multiples of page size 0x1000"
            ),
            (
                "-object memory-backend-file,id=m,size=1M,mem-path=/x,align=12k",
                "alignment 0x3000 must be a power of two"
            ),
            (
                "-object memory-backend-file,id=m,size=1M,mem-path=/x,rom=on",
                "property 'rom' = 'on' is not supported with 'readonly' = 'off'"
            ),
            (
                "-object memory-backend-file,id=m,size=1M,mem-path=/x,readonly=on,share=on,rom=off",
                "property 'rom' = 'off' is incompatible with 'readonly' = 'on' and 'share' = 'on'"
            ),
            (
                "-object memory-backend-file,id=m,size=128M,mem-path=/x,readonly=on -machine memory-backend=m",
                "memory-backend-file 'm' is only read, and the guest writes to its memory\n"
                    + "With share=off,rom=off there what the guest writes is kept in memory"
            ),
            ("-machine memory-backend=zz", "Memory backend 'zz' not found"),
            ("-M q35,memory-backend=zz", "Memory backend 'zz' not found"),
            (
                "-m 128 -object memory-backend-ram,id=a,size=64M -machine memory-backend=a",
                "Machine memory size does not match the size of the memory backend"
            ),
            (
                "-m 64 -object memory-backend-memfd,id=m,size=32M -numa node,memdev=m -numa node,memdev=m",
                "memory backend m can't be used multiple times.\nEach -numa node needs an object of its own"
            ),
            (
                "-m 32 -object memory-backend-memfd,id=m,size=32M -machine memory-backend=m -numa node,memdev=m",
                "'-machine memory-backend' and '-numa memdev' properties are mutually exclusive"
            ),
            (
                "-m 64 -object memory-backend-memfd,id=m,size=32M -machine memory-backend=m -numa node,memdev=m "
                    + "-numa node,memdev=m", "Machine memory size does not match the size of the memory backend"
            ),
            (
                "-m 128M,maxmem=16M",
                "invalid value of maxmem: maximum memory size (0x1000000) must be at least the initial memory size (0x8000000)"
            ),
            ("-m 128M,slots=2", "slots specified but no max-size"),
            ("-m 128M,maxmem=1G,slots=-1", "unsupported amount of memory slots: 18446744073709551615"),
            (
                "-m 128M,maxmem=1G,slots=9223372036854775808",
                "unsupported amount of memory slots: 9223372036854775808"
            ),
            (
                "-m 128M,maxmem=1G,slots=-9223372036854775809",
                "unsupported amount of memory slots: 9223372036854775807"
            ),
            ("-m 128M,slots=18446744073709551615", "slots specified but no max-size"),
            ("-m 128M,maxmem=1G -m slots=257", "unsupported amount of memory slots: 257"),
            (
                "-m 64M,maxmem=1G -m 2G",
                "invalid value of maxmem: maximum memory size (0x40000000) must be at least the initial memory size "
                    + "(0x80000000)"
            ),
            (
                "-m 128M,maxmem=128M,slots=2",
                "invalid value of maxmem: memory slots were specified but maximum memory size (0x8000000) is equal to "
                    + "the initial memory size (0x8000000)"
            ),
            ("-m 0x4000000", "Parameter 'memory.size' expects size"),
            ("-m 64M,slots=300,maxmem=1G -machine memory-backend=zz", "Memory backend 'zz' not found"),
            ("-m 64M,slots=300,maxmem=1G -device foo", "unsupported amount of memory slots: 300"),
            ("-object monitor-hmp,id=m,chardev=nosuch", "chardev \"nosuch\" not found"),
        ])
    func placeless(_ line: String, _ text: String) {
        #expect(ObstacleTests.refused(["-nodefaults"] + CommandLineErrorTests.words(line)) == ["netemu: \(text)"])
    }

    @Test(
        "how many slots a board takes is asked when it is made: behind the networks",
        arguments: [
            ("type=,id=a", "Parameter 'type' does not accept value ''"), ("id=a", "Parameter 'type' is missing"),
            ("passt,id=a,bla=3", "Invalid parameter 'bla'"),
        ])
    func slotsBehindNetworks(_ list: String, _ text: String) {
        #expect(
            ObstacleTests.refused(["-m", "64M,slots=300,maxmem=1G", "-netdev", list]) == [
                "netemu: -netdev \(list): \(text)"
            ])
    }

    @Test("an object that lies in a file, with all of its keys")
    func file() throws {
        let made = try CommandLineTests.build(
            "-nic none -object memory-backend-file,id=m,size=16M,mem-path=/x,offset=1M,align=2M,discard-data=on,"
                + "readonly=on,rom=off,prealloc=on,reserve=off,merge=off,dump=off -machine memory-backend=m")
        let backend = try #require(made.memory.backends.first)
        #expect(
            backend.file
                == MemoryFilePlan(
                    path: "/x", offset: 1 << 20, alignment: 2 << 20, isReadOnly: true, isCopied: true,
                    isDiscarded: true))
        #expect(backend.isPopulated && !backend.isReserved && !backend.isMerged && !backend.isDumped)
        #expect(made.memory.size == 16 << 20 && !made.memory.isShared && made.warnings.count == 1)
    }

    @Test("without -m the memory object of -machine says how much there is")
    func sizeOfObject() throws {
        let made = try CommandLineTests.build(
            "-nic none -object memory-backend-memfd,id=a,size=64M -machine memory-backend=a")
        #expect(made.memory.size == 64 << 20)
    }

    @Test(
        "-m takes what C's strtod takes; several are one list",
        arguments: [
            ("-m .5G", 512), ("-m +64M", 64), ("-m 128M,maxmem=1G", 128), ("-m size=128M,size=64M", 64),
            ("-m 64M,slots=2,maxmem=1G", 64), ("-m 64M,slots=2 -m 32M,maxmem=1G", 32), ("-m 1 -m 64", 64),
            ("-m 0x4000000 -m .25G", 256), ("-m 64 -m slots=0", 64), ("-m 64.0M", 64),
        ] as [(String, UInt64)])
    func sizes(_ line: String, _ megabytes: UInt64) throws {
        #expect(try CommandLineTests.build("-nic none " + line).memory.size == megabytes << 20)
    }

    @Test("-m with an empty list is the default, as in QEMU; an empty size is none")
    func emptySize() throws {
        #expect(try CommandLineTests.build(words: ["-nic", "none", "-m", ""]).memory.size == 128 << 20)
        #expect(
            ObstacleTests.refused(["-nic", "none", "-m", "size="]).first?.contains("expects a non-negative number")
                == true)
        #expect(
            ObstacleTests.refused(["-nic", "none", "-m", "-1"]) == [
                "netemu: -m -1: Value '-1' is out of range for parameter 'size'"
            ])
    }
}
