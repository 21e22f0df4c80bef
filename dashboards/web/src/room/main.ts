import { mount } from 'svelte';
import '../app.css';
import './room.css';
import Room from './Room.svelte';

const target = document.getElementById('room');
if (!target) throw new Error('room.html has no element with the id room');

export default mount(Room, { target });
