import ColaKafka
import NIOCore
import Testing

/// Lengths, counts and tags that no honest client sends are refused before anything is allocated for them.
@Suite struct ExtremeTests {
    private func reason<Message: KafkaMessage>(
        _: Message.Type, _ version: Int16, _ bytes: [UInt8], at line: SourceLocation = #_sourceLocation
    ) -> String {
        do {
            let message = try Message.decode(bytes, version: version)
            Issue.record("\(message) was read", sourceLocation: line)
            return ""
        } catch {
            return (error as? Malformed)?.reason ?? "\(error)"
        }
    }

    // MARK: Counts

    @Test func aCountIsNotBelievedBeforeItsBytesAreThere() {
        let beyond = "an array of more elements than there are bytes for"
        #expect(reason(MetadataRequest.self, 0, [0x7F, 255, 255, 255]) == beyond)
        #expect(reason(MetadataRequest.self, 0, [0, 0, 0, 2, 0, 0]) == beyond)
        #expect(reason(MetadataRequest.self, 9, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0]) == beyond)
        #expect(reason(DescribeGroupsRequest.self, 0, [0, 0, 0, 3, 0, 0, 0, 0]) == beyond)
        #expect(reason(DeleteRecordsRequest.self, 0, [0, 0, 0x10, 0] + Array(repeating: 0, count: 4_000)) == beyond)
    }

    @Test func aCountBelowNullIsRefused() {
        let negative = "a length below -1"
        #expect(reason(MetadataRequest.self, 1, [255, 255, 255, 254]) == negative)
        #expect(reason(MetadataRequest.self, 1, [0x80, 0, 0, 0]) == negative)
        #expect(reason(MetadataRequest.self, 0, [0, 0, 0, 1, 0x80, 0]) == negative)
        #expect(reason(SaslAuthenticateRequest.self, 0, [255, 255, 255, 254]) == negative)
    }

    @Test func nullIsReadWhereItMayBeAlone() throws {
        #expect(try MetadataRequest.decode([255, 255, 255, 255], version: 1).topics == nil)
        #expect(try MetadataRequest.decode([0, 1, 0, 0, 0], version: 9).topics == nil)
        let null = "null where a value must be"
        #expect(reason(MetadataRequest.self, 0, [255, 255, 255, 255]) == null)
        #expect(reason(MetadataRequest.self, 0, [0, 0, 0, 1, 255, 255]) == null)
        #expect(reason(MetadataRequest.self, 9, [2, 0, 0, 1, 0, 0, 0]) == null)
        #expect(reason(SaslAuthenticateRequest.self, 2, [0, 0]) == null)
    }

    /// Where null cannot be said it is written as empty.
    @Test func nullIsWrittenAsFarAsItCanBe() {
        #expect(MetadataRequest(topics: nil).bytes(version: 1) == [255, 255, 255, 255])
        #expect(MetadataRequest(topics: nil).bytes(version: 0) == [0, 0, 0, 0])
        let topic = MetadataRequest(topics: [MetadataRequest.MetadataRequestTopic(name: nil)])
        #expect(topic.bytes(version: 1) == [0, 0, 0, 1, 0, 0])
    }

    /// A megabyte and a half that would be twenty-four in memory, and so on for each byte more.
    @Test func aMessageHasNoMoreElementsThanAMillion() throws {
        let most = KafkaReader.elementsMax
        func bytes(_ count: Int) -> [UInt8] {
            withUnsafeBytes(of: Int32(count).bigEndian, Array.init) + Array(repeating: 0, count: 2 * count)
        }
        #expect(try DescribeGroupsRequest.decode(bytes(most), version: 0).groups.count == most)
        #expect(
            reason(DescribeGroupsRequest.self, 0, bytes(most + 1))
                == "more elements in arrays than a message may have")
    }

    // MARK: Strings and bytes

    @Test func aStringIsNotBelievedBeforeItsBytesAreThere() {
        let cutOff = "they end in the middle of a value"
        #expect(reason(MetadataRequest.self, 0, [0, 0, 0, 1, 0, 3, 0x61, 0x62]) == cutOff)
        #expect(reason(MetadataRequest.self, 9, [2, 4, 0x61, 0x62]) == cutOff)
        #expect(reason(SaslAuthenticateRequest.self, 0, [0x7F, 255, 255, 255, 1]) == cutOff)
        #expect(reason(SaslAuthenticateRequest.self, 2, [255, 255, 255, 255, 15, 1]) == cutOff)
    }

    /// Compact strings could be longer than classic ones; clients of classic versions could not be told of them.
    @Test func aCompactStringIsNoLongerThanAClassicOne() throws {
        func bytes(_ count: Int) -> [UInt8] {
            var length = UInt32(count + 1)
            var bytes: [UInt8] = [2]
            while length >= 0x80 {
                bytes.append(UInt8(length & 0x7F) | 0x80)
                length >>= 7
            }
            return bytes + [UInt8(length)] + Array(repeating: 0x61, count: count) + [0, 1, 0, 0, 0]
        }
        let longest = try MetadataRequest.decode(bytes(32_767), version: 9)
        #expect(longest.topics?.first?.name?.utf8.count == 32_767)
        #expect(longest.bytes(version: 0).count == 4 + 2 + 32_767)
        #expect(reason(MetadataRequest.self, 9, bytes(32_768)) == "a string of more than 32767 bytes")
    }

    /// What is written is cut at the end of a character, whichever of its bytes would be the last.
    @Test(arguments: 0..<4)
    func aStringThatIsTooLongIsCut(before: Int) throws {
        let text = String(repeating: "a", count: before) + String(repeating: "🐘", count: 8_192)
        for version: Int16 in [1, 3] {
            let response = FindCoordinatorResponse(errorMessage: text)
            let read = try FindCoordinatorResponse.decode(response.bytes(version: version), version: version)
            let message = try #require(read.errorMessage)
            #expect(text.hasPrefix(message))
            #expect((32_764...32_767).contains(message.utf8.count))
        }
    }

    @Test func aStringMustBeUTF8() {
        let notUTF8 = "a string is not valid UTF-8"
        #expect(reason(MetadataRequest.self, 0, [0, 0, 0, 1, 0, 2, 0xC3, 0x28]) == notUTF8)
        #expect(reason(MetadataRequest.self, 9, [2, 2, 0xFF, 0, 1, 0, 0, 0]) == notUTF8)
    }

    @Test func recordsThatAreNullAreNotEmptyOnes() throws {
        for version: Int16 in [3, 8, 9, 13] {
            for records in [nil, WireRecords(), WireRecords([1, 2, 3])] {
                let partition = ProduceRequest.PartitionProduceData(index: 1, records: records)
                let topic = ProduceRequest.TopicProduceData(partitionData: [partition])
                let bytes = ProduceRequest(topicData: [topic]).bytes(version: version)
                let read = try ProduceRequest.decode(bytes, version: version)
                #expect(read.topicData.first?.partitionData.first?.records == records)
            }
        }
    }

    @Test func recordsInPiecesAreWrittenAsOne() {
        let bytes: [UInt8] = Array(0..<200)
        for cuts in [[0, 200], [0, 1, 199, 200], [0, 0, 100, 100, 200, 200]] {
            let pieces = zip(cuts, cuts.dropFirst()).map { bytes[$0..<$1] }
            let records = WireRecords(pieces: pieces)
            #expect(records.byteCount == 200 && records == WireRecords(bytes))
            func response(_ records: WireRecords) -> FetchResponse {
                let partition = FetchResponse.PartitionData(records: records)
                return FetchResponse(responses: [FetchResponse.FetchableTopicResponse(partitions: [partition])])
            }
            for version in FetchResponse.versions {
                let whole = response(WireRecords(bytes)).bytes(version: version)
                #expect(response(records).bytes(version: version) == whole)
            }
            #expect(response(records).recordBytes == 200)
        }
        #expect(WireRecords([1, 2]) != WireRecords([2, 1]) && WireRecords().isEmpty)
    }

    // MARK: Varints

    @Test func aVarintHasNoMoreThan32Bits() throws {
        // As long as it can be, and longer than it need be, which Kafka takes too.
        #expect(try ListGroupsRequest.decode([0x80, 0x80, 0x80, 0x80, 0x00], version: 3) == ListGroupsRequest())
        let tooLong = "a varint of more than 32 bits"
        #expect(reason(ListGroupsRequest.self, 3, [0x80, 0x80, 0x80, 0x80, 0x80, 0x00]) == tooLong)
        #expect(reason(ListGroupsRequest.self, 3, [0x80, 0x80, 0x80, 0x80, 0x10]) == tooLong)
        #expect(reason(ListGroupsRequest.self, 3, [255, 255, 255, 255, 255]) == tooLong)
        #expect(reason(ListGroupsRequest.self, 3, [0x80, 0x80]) == "they end in the middle of a value")
    }

    // MARK: Tagged fields

    @Test func unknownTagsArePassedOver() throws {
        #expect(try ListGroupsRequest.decode([1, 0, 0], version: 3) == ListGroupsRequest())
        let tags: [UInt8] = [3, 0, 2, 0xAA, 0xBB, 1, 0, 255, 255, 255, 255, 15, 1, 0xCC]
        #expect(try ListGroupsRequest.decode(tags, version: 3) == ListGroupsRequest())
    }

    /// The cluster id has tag 0, the state of a replica tag 1 from version 15 on.
    @Test func aTagThatAVersionDoesNotHaveIsUnknown() throws {
        let replica = FetchRequest.ReplicaState(replicaID: 5, replicaEpoch: 6)
        var bytes = FetchRequest(replicaState: replica).bytes(version: 15)
        #expect(try FetchRequest.decode(bytes, version: 15).replicaState == replica)
        bytes.insert(contentsOf: [255, 255, 255, 255], at: 0)  // the replica id that version 14 has first
        #expect(try FetchRequest.decode(bytes, version: 14).replicaState == FetchRequest.ReplicaState())
    }

    @Test func tagsAscend() {
        let order = "tagged fields that are not in ascending order"
        #expect(reason(ListGroupsRequest.self, 3, [2, 1, 0, 1, 0]) == order)
        #expect(reason(ListGroupsRequest.self, 3, [2, 1, 0, 0, 0]) == order)
    }

    @Test func aTagIsAsLongAsItSays() {
        let request = FetchRequest(clusterID: "abc").bytes(version: 12)
        let tags = Array(request.suffix(7))
        #expect(tags == [1, 0, 4, 4, 0x61, 0x62, 0x63])
        let before = Array(request.dropLast(7))
        let size = "a tagged field that is not as long as it says"
        #expect(reason(FetchRequest.self, 12, before + [1, 0, 3, 4, 0x61, 0x62, 0x63]) == size)
        #expect(reason(FetchRequest.self, 12, before + [1, 0, 5, 4, 0x61, 0x62, 0x63, 0]) == size)
        #expect(
            reason(FetchRequest.self, 12, before + [1, 0, 5, 4, 0x61, 0x62, 0x63])
                == "a tagged field that goes beyond the end")
        #expect(
            reason(FetchRequest.self, 12, before + [1, 0, 255, 255, 255, 255, 15])
                == "a tagged field that goes beyond the end")
        #expect(
            reason(ListGroupsRequest.self, 3, [255, 255, 255, 255, 15, 0, 0])
                == "an array of more elements than there are bytes for")
    }

    /// Of each that is at its default nothing is written.
    @Test func tagsAreWrittenWhereTheyDiffer() throws {
        #expect(ApiVersionsResponse().bytes(version: 3) == [0, 0, 1, 0, 0, 0, 0, 0])
        let response = ApiVersionsResponse(finalizedFeaturesEpoch: 7, zkMigrationReady: true)
        let bytes = response.bytes(version: 3)
        #expect(bytes == [0, 0, 1, 0, 0, 0, 0, 2, 1, 8, 0, 0, 0, 0, 0, 0, 0, 7, 3, 1, 1])
        #expect(try ApiVersionsResponse.decode(bytes, version: 3) == response)
    }

    // MARK: Structs

    @Test func aStructIsMarkedAsNullOrAsPresent() throws {
        let cursor = DescribeTopicPartitionsRequest.Cursor(topicName: "a", partitionIndex: 2)
        let bytes = DescribeTopicPartitionsRequest(cursor: cursor).bytes(version: 0)
        #expect(try DescribeTopicPartitionsRequest.decode(bytes, version: 0).cursor == cursor)
        #expect(bytes[5] == 1)
        #expect(try DescribeTopicPartitionsRequest.decode([1, 0, 0, 7, 208, 255, 0], version: 0).cursor == nil)
        for mark: UInt8 in [0, 2, 254] {
            var wrong = bytes
            wrong[5] = mark
            #expect(
                reason(DescribeTopicPartitionsRequest.self, 0, wrong)
                    == "a struct that is marked neither as null nor as present")
        }
    }

    @Test func anErrorThatNobodyKnowsIsAnError() throws {
        #expect(try HeartbeatResponse.decode([0x7F, 0xFF], version: 0).errorCode == .unknownServerError)
        #expect(try HeartbeatResponse.decode([0, 27], version: 0).errorCode == .rebalanceInProgress)
        #expect(ErrorCode.rebalanceInProgress.name == "REBALANCE_IN_PROGRESS")
        #expect(ErrorCode.allCases.map(\.rawValue) == Array(-1...133))
        #expect(ErrorCode.notLeaderOrFollower.isRetriable && !ErrorCode.invalidRecord.isRetriable)
        #expect(!ErrorCode.noError.isRetriable)
    }
}
