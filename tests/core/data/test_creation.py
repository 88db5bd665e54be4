from lumin_core.data.creation import new_file, new_group


def test_neither_file_nor_groups_keep_times(tmp_path):
    with new_file(tmp_path / "a.hdf5") as file:
        group = new_group(file, "fold_0")
        assert not file.id.get_create_plist().get_obj_track_times()
        assert not group.id.get_create_plist().get_obj_track_times()
