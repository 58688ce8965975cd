"""Keypoints, clips, cameras and bones. numpy only."""
